"""The ablations that any model can have: its stem, and its algorithms; one block for each model and recipe."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

from bench.analysis.cells import Block, Phrase, Table
from bench.analysis.run_groups import (
    RANKED_TOGETHER,
    Condition,
    algorithm_texts,
    option_values,
    stem_of,
)
from bench.tables import measures as m
from bench.tables import notes
from bench.tables.ablations import ablation_rows, ablation_table, nearest_base

# What the algorithms' table compares: the precision is declared apart from them, and is one of the deck's methods.
ABLATED, PLAIN_PRECISION = ("algorithms", "precision"), "fp32"
Key = Callable[[Condition], Hashable]


def groups_by(conditions: Sequence[Condition], but: Sequence[str], key: Key) -> list[list[Condition]]:
    """Return the conditions that agree in a key and in all facets but some, in order of appearance."""
    groups: dict[Hashable, list[Condition]] = defaultdict(list)
    for condition in conditions:
        facets = tuple(value for name, value in condition.facets.items() if name not in but)
        groups[key(condition), facets].append(condition)
    return list(groups.values())


def group_heading(condition: Condition) -> Phrase:
    """Return the heading of a block: the model, and what its rows have in common."""
    recipe = notes.block_heading([condition.facets[name] for name in RANKED_TOGETHER])
    return Phrase("{}; {}", (condition.model, recipe))


def stem_ablation(conditions: Sequence[Condition], options: m.Options) -> Table:
    """Return, for each model trained with several stems by one recipe, the others against the ImageNet stem."""
    blocks = []
    for group in groups_by(conditions, ("stem", "machine"), lambda c: (c.model, options_but_stem(c))):
        bases = [condition for condition in group if stem_of(condition.spec) == "imagenet"]
        arms = [condition for condition in group if condition not in bases]
        if bases and arms:
            labelled = [(f"stem {stem_of(arm.spec)}", arm, nearest_base(arm, bases)) for arm in arms]
            rows = ablation_rows([("stem imagenet", base) for base in bases], labelled, options, ablated=("stem",))
            blocks.append(Block(group_heading(bases[0]), rows))
    return ablation_table("stem", "Stem: native resolution against ImageNet's", blocks, options)


def options_but_stem(condition: Condition) -> str:
    """Return a condition's builder options apart from the stem."""
    options = option_values(condition.model, condition.spec["model"].get("options") or {})
    return str(sorted((key, value) for key, value in options.items() if key != "stem"))


def algorithms_ablation(conditions: Sequence[Condition], options: m.Options) -> Table:
    """Return, for each model trained with several sets of algorithms by one recipe, each set against its base.

    Mixed precision counts as an algorithm. An arm's base is the nearest set that is more central: the empty one for
    single algorithms that were added, the full one for single ones that were left out. A block for each base.
    """
    blocks = []
    for group in groups_by(conditions, (*ABLATED, "machine"), lambda c: c.label):
        for base, arms in arms_by_base(group):
            labelled = sorted(((set_difference(arm, base), arm, base) for arm in arms), key=lambda row: row[0])
            rows = ablation_rows([(set_name(base), base)], labelled, options, ablated=ABLATED)
            blocks.append(Block(group_heading(base), rows))
    return ablation_table("algorithms", "Algorithms: added or left out", blocks, options)


def set_of(condition: Condition) -> frozenset[str]:
    """Return the algorithms of a condition in words, mixed precision among them."""
    precision = condition.facets["precision"]
    return frozenset(algorithm_texts(condition.spec).values()) | ({precision} - {PLAIN_PRECISION})


def arms_by_base(group: Sequence[Condition]) -> list[tuple[Condition, list[Condition]]]:
    """Return each condition that others are compared with, and those others."""
    sets = {condition.runs: set_of(condition) for condition in group}

    def distance(one: Condition, other: Condition) -> int:
        """Return in how many algorithms two sets differ."""
        return len(sets[one.runs] ^ sets[other.runs])

    def centrality(condition: Condition) -> tuple[float, int, tuple[str, ...]]:
        """Return how near a set is to all others (harmonic closeness); of equals, the smaller set comes first."""
        near = sum(1 / max(distance(condition, other), 1) for other in group if other is not condition)
        return -round(near, 9), len(sets[condition.runs]), condition.runs

    children: dict[tuple[str, ...], tuple[Condition, list[Condition]]] = {}
    for condition in sorted(group, key=lambda c: (len(sets[c.runs]), c.runs)):
        central = [other for other in group if centrality(other) < centrality(condition)]
        if central:
            base = min(central, key=lambda other: (distance(condition, other), centrality(other)))
            children.setdefault(base.runs, (base, []))[1].append(condition)
    return list(children.values())


def set_name(condition: Condition) -> str:
    """Return a set of algorithms in words."""
    return ", ".join(sorted(set_of(condition))) or "none"


def set_difference(condition: Condition, base: Condition) -> str:
    """Return what a set of algorithms adds to the base's, and what it leaves out."""
    ours, theirs = set_of(condition), set_of(base)
    return ", ".join(
        [*(f"+ {text}" for text in sorted(ours - theirs)), *(f"− {text}" for text in sorted(theirs - ours))]
    )
