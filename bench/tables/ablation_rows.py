"""Shared by all ablation tables: the rows of bases and arms, the footnotes, and the lines below."""

from collections.abc import Collection, Sequence

from bench.analysis.ablations import Ablation
from bench.analysis.cells import Block, Phrase, Row, Table, words
from bench.analysis.recipe import RANKED_TOGETHER
from bench.analysis.run_groups import RunGroup, differing
from bench.tables import measures as m
from bench.tables import notes
from bench.tables.comparison import CONVENTIONS, MEANS, columns_shown
from bench.tables.contrasts import COLUMNS, can_pair, contrast_cells, contrasts_of

ADJUSTED = Phrase(
    "Δ = arm − base in points, with its 95 % interval (not adjusted) by Welch's t-test; p after Holm in the block."
)
PAIRED = Phrase(
    "Δ = arm − base in points over common seeds (of one precision), paired t-test, unadjusted 95 % CI; p after Holm."
)
# The same in the heading of a block: blocks of one table may differ in it.
NAMES = {PAIRED: Phrase("paired t-test"), ADJUSTED: Phrase("Welch's t-test")}
SEEDS_NEEDED = Phrase(
    "Seeds needed: seeds an arm for 80 % power at p = 0.05 / comparisons, if difference and spread are as seen."
)

NOTHING_COMPARED = Phrase("No finished runs of two arms of this ablation under the same conditions.")


def nearest_base(run_group: RunGroup, bases: Sequence[RunGroup]) -> RunGroup | None:
    """Return the base whose recipe differs least from a run group's; of several, the one with most runs."""
    if not bases:
        return None
    return min(bases, key=lambda base: (len(differing(base, run_group)), -len(base.runs), base.runs))


def compared_fields(ablation: Ablation) -> tuple[str, ...]:
    """Return the recipe fields that the rows of a block have in common."""
    return tuple(name for name in RANKED_TOGETHER if name not in ablation.free)


def ablation_block(
    heading: Phrase | None,
    bases: Sequence[tuple[str, RunGroup]],
    arms: Sequence[tuple[str, RunGroup, RunGroup | None]],
    options: m.Options,
    ablated: Collection[str],
) -> Block:
    """Return the block of some bases and the arms that are compared with them, under a heading that names the test."""
    compared = [(base, run_group) for _, run_group, base in arms]
    paired = can_pair(compared)
    rows = ablation_rows(bases, arms, options, ablated, paired=paired)
    if all(base is None for base, _ in compared):
        return Block(heading, rows)
    test = PAIRED if paired else ADJUSTED
    return Block(Phrase("{}; {}", (heading, NAMES[test])) if heading else NAMES[test], rows, test)


def ablation_rows(
    bases: Sequence[tuple[str, RunGroup]],
    arms: Sequence[tuple[str, RunGroup, RunGroup | None]],
    options: m.Options,
    ablated: Collection[str],
    *,
    paired: bool,
) -> list[Row]:
    """Return the rows of the bases, then of the arms with their contrasts, adjusted together."""
    shown = columns_shown(COLUMNS, options)
    rows = [
        Row(
            {"arm": words("{}", label), "verdict": words("base"), **m.measure(base, shown)},
            (*notes.precision_notes([base]), *notes.change_notes([base])),
        )
        for label, base in bases
    ]
    contrasts = contrasts_of([(base, run_group) for _, run_group, base in arms], paired)
    for (label, run_group, base), contrast in zip(arms, contrasts, strict=True):
        cells = {"arm": words("{}", label), **m.measure(run_group, shown), **contrast_cells(contrast, base)}
        rows.append(Row(cells, arm_notes(run_group, base, ablated)))
    return rows


def arm_notes(run_group: RunGroup, base: RunGroup | None, ablated: Collection[str]) -> tuple[Phrase, ...]:
    """Return the footnotes on how an arm's recipe differs from its base's, beyond what is ablated, and how it ran."""
    different = () if base is None else notes.recipe_notes(run_group, base.recipe_fields, ignore=tuple(ablated))
    words = Phrase("its recipe differs from the base's: {}", different)
    return (*((words,) if different else notes.precision_notes([run_group])), *notes.change_notes([run_group]))


def ablation_table(ablation: Ablation, blocks: Sequence[Block], options: m.Options) -> Table:
    """Return an ablation's table with the tests of its blocks below; without any block it says so."""
    shown = columns_shown(COLUMNS, options)
    tests = dict.fromkeys(block.test for block in blocks if block.test is not None)
    below = (*tests, SEEDS_NEEDED, MEANS, CONVENTIONS) if blocks else (NOTHING_COMPARED,)
    return Table(ablation.name, Phrase(ablation.title, zh=ablation.title_zh), shown, blocks, below)
