"""Shared by all ablation tables: the rows of bases and arms, the footnotes, and the lines below."""

from collections.abc import Collection, Sequence

from bench.analysis.ablations import Ablation
from bench.analysis.cells import Block, Phrase, Row, Table, words
from bench.analysis.recipe import RANKED_TOGETHER
from bench.analysis.run_groups import RunGroup, differing
from bench.tables import measures as m
from bench.tables import notes
from bench.tables.comparison import CONVENTIONS, MEANS, columns_shown
from bench.tables.contrasts import COLUMNS, contrast_cells, contrasts_of

ADJUSTED = Phrase(
    "Δ = arm − base in points, with its 95 % interval (not adjusted) by Welch's t-test; p after Holm in the block."
)
PAIRED = Phrase(
    "Δ = arm − base in points over seeds of equal precision, unadjusted 95 % interval, paired t-test; p after Holm."
)
SEEDS_NEEDED = Phrase(
    "Seeds needed: seeds an arm for 80 % power at unadjusted p = 0.05, if difference and spread are as seen."
)


def nearest_base(run_group: RunGroup, bases: Sequence[RunGroup]) -> RunGroup | None:
    """Return the base whose recipe differs least from a run group's; of several, the one with most runs."""
    if not bases:
        return None
    return min(bases, key=lambda base: (len(differing(base, run_group)), -len(base.runs), base.runs))


def compared_fields(ablation: Ablation) -> tuple[str, ...]:
    """Return the recipe fields that the rows of a block have in common."""
    return tuple(name for name in RANKED_TOGETHER if name not in ablation.free)


def ablation_rows(
    bases: Sequence[tuple[str, RunGroup]],
    arms: Sequence[tuple[str, RunGroup, RunGroup | None]],
    options: m.Options,
    ablated: Collection[str],
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
    contrasts = contrasts_of([(base, run_group) for _, run_group, base in arms], options.paired)
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
    """Return an ablation's table; without any arm it says so."""
    shown = columns_shown(COLUMNS, options)
    method = PAIRED if options.paired else ADJUSTED
    below = (
        (method, SEEDS_NEEDED, MEANS, CONVENTIONS)
        if blocks
        else (Phrase("No finished run of an arm of this ablation."),)
    )
    return Table(ablation.name, Phrase(ablation.title, zh=ablation.title_zh), shown, blocks, below)
