"""The contrasts of all pairs of rows that the page offers to compare, computed before it is opened."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from bench.analysis.cells import Phrase
from bench.analysis.recipe import RANKED_TOGETHER, START
from bench.analysis.run_groups import RunGroup, differing
from bench.report.contents import Contents
from bench.tables.contrasts import (
    DELTA,
    P_VALUE,
    SEEDS,
    VERDICT,
    Contrast,
    best_samples,
    contrast_cells,
    tested_together,
)
from bench.tables.page import format_cell

# Accuracies of other data are not compared.
COMPARED = ("dataset", "split", START)
# With more pairs the page would be too large: then only rows of one block are compared, then only with its first.
MAX_PAIRS = 4000
METHOD = Phrase(
    "Δ = row − base in points: the mean over common seeds of equal precision with its 95 % interval by the paired "
    "t-test, by Welch's t-test where pairs would lose runs or are fewer than two; p after Holm over all "
    "comparisons of the base with the rows of a block."
)
Pairs = Mapping[tuple[int, int], Contrast | None]


def alike(run_groups: Sequence[RunGroup], pair: tuple[int, int], fields: Sequence[str]) -> bool:
    """Tell whether the two run groups at some places agree in some recipe fields."""
    one, other = (run_groups[place].recipe_fields for place in pair)
    return all(one[name] == other[name] for name in fields)


def offered_pairs(run_groups: Sequence[RunGroup], most: int = MAX_PAIRS) -> list[tuple[int, int]]:
    """Return the (base, arm) places that are compared: of one data set and split; fewer where those are too many."""
    every = [(base, arm) for base in range(len(run_groups)) for arm in range(len(run_groups)) if base != arm]
    comparable = [pair for pair in every if alike(run_groups, pair, COMPARED)]
    if len(comparable) <= most:
        return comparable
    ranked = [pair for pair in comparable if alike(run_groups, pair, RANKED_TOGETHER)]
    if len(ranked) <= most:
        return ranked
    first = {base for base, _ in ranked if not any(arm == base and other < base for other, arm in ranked)}
    return [pair for pair in ranked if pair[0] in first]


def contrast_pairs(run_groups: Sequence[RunGroup]) -> Pairs:
    """Return the contrast of each pair that is offered; p is adjusted over a base's comparisons with one block."""
    families: dict[tuple[object, ...], list[tuple[int, int]]] = defaultdict(list)
    for base, arm in offered_pairs(run_groups):
        block = tuple(run_groups[arm].recipe_fields[name] for name in RANKED_TOGETHER)
        families[(base, block)].append((base, arm))
    found: dict[tuple[int, int], Contrast | None] = {}
    for family in families.values():
        members = [(run_groups[base], run_groups[arm]) for base, arm in family]
        samples = [best_samples(base, arm) for base, arm in members]
        found |= zip(family, tested_together(members, samples), strict=True)
    return found


def pair_texts(contents: Contents, base: int, contrast: Contrast | None) -> list[str]:
    """Return a contrast as the cells of a row: difference with its interval, p, verdict, seeds needed, test."""
    cells = contrast_cells(contrast, contents.run_groups[base])
    texts = [format_cell(cells[column.key], column, contents.language) for column in (DELTA, P_VALUE, VERDICT, SEEDS)]
    texts[0] = texts[0] if contrast is None else difference_text(contents, contrast, texts[0])
    return texts


def difference_text(contents: Contents, contrast: Contrast, text: str) -> str:
    """Return a difference with how it was tested."""
    test = contrast.difference
    if not contrast.pairs:
        return contents.say("{} (not paired, n = {} and {})", text, test.n_base, test.n_arm)
    return contents.say("{} (paired, n = {})", text, test.n_arm)


def recipe_badges(contents: Contents, base: RunGroup, arm: RunGroup) -> list[dict[str, str]]:
    """Return the recipe fields in which an arm differs from its base, with both values."""
    fields = differing(base, arm, ignore=("model",))
    return [
        {"field": contents.say(name), "arm": arm.recipe_fields[name], "base": base.recipe_fields[name]}
        for name in fields
    ]
