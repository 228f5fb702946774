"""The ablations that any model can have: its stem, and its algorithms; one block for each model and recipe."""

from collections import defaultdict
from collections.abc import Sequence

from bench.analysis.cells import Block, Phrase, Table
from bench.analysis.recipe import RANKED_TOGETHER, algorithm_texts, stem_of
from bench.analysis.run_groups import RunGroup
from bench.tables import measures as m
from bench.tables import notes
from bench.tables.ablations import ablation_rows, ablation_table, nearest_base

# What the algorithms' table compares: the precision is declared apart from them, and is one of the deck's methods.
ABLATED, PLAIN_PRECISION = ("algorithms", "precision"), "fp32"


def groups_by(run_groups: Sequence[RunGroup], but: Sequence[str]) -> list[list[RunGroup]]:
    """Return the run groups that agree in all recipe fields but some, in order of appearance."""
    groups: dict[tuple[str, ...], list[RunGroup]] = defaultdict(list)
    for run_group in run_groups:
        agreeing = tuple(value for name, value in run_group.recipe_fields.items() if name not in but)
        groups[agreeing].append(run_group)
    return list(groups.values())


def group_heading(run_group: RunGroup) -> Phrase:
    """Return the heading of a block: the model, and what its rows have in common."""
    recipe = notes.block_heading([run_group.recipe_fields[name] for name in RANKED_TOGETHER])
    return Phrase("{}; {}", (run_group.model, recipe))


def stem_ablation(run_groups: Sequence[RunGroup], options: m.Options) -> Table:
    """Return, for each model trained with several stems by one recipe, the others against the ImageNet stem."""
    blocks = []
    for group in groups_by(run_groups, ("stem", "machine")):
        bases = [run_group for run_group in group if stem_of(run_group.spec) == "imagenet"]
        arms = [run_group for run_group in group if run_group not in bases]
        if bases and arms:
            labelled = [(f"stem {stem_of(arm.spec)}", arm, nearest_base(arm, bases)) for arm in arms]
            rows = ablation_rows([("stem imagenet", base) for base in bases], labelled, options, ablated=("stem",))
            blocks.append(Block(group_heading(bases[0]), rows))
    return ablation_table("stem", "Stem: native resolution against ImageNet's", blocks, options)


def algorithms_ablation(run_groups: Sequence[RunGroup], options: m.Options) -> Table:
    """Return, for each model trained with several sets of algorithms by one recipe, each set against its base.

    Mixed precision counts as an algorithm. An arm's base is the nearest set that is more central: the empty one for
    single algorithms that were added, the full one for single ones that were left out. A block for each base.
    """
    blocks = []
    for group in groups_by(run_groups, (*ABLATED, "machine")):
        for base, arms in arms_by_base(group):
            labelled = sorted(((set_difference(arm, base), arm, base) for arm in arms), key=lambda row: row[0])
            rows = ablation_rows([(set_name(base), base)], labelled, options, ablated=ABLATED)
            blocks.append(Block(group_heading(base), rows))
    return ablation_table("algorithms", "Algorithms: added or left out", blocks, options)


def set_of(run_group: RunGroup) -> frozenset[str]:
    """Return the algorithms of a run group in words, mixed precision among them."""
    precision = run_group.recipe_fields["precision"]
    return frozenset(algorithm_texts(run_group.spec.get("algorithms")).values()) | ({precision} - {PLAIN_PRECISION})


def arms_by_base(group: Sequence[RunGroup]) -> list[tuple[RunGroup, list[RunGroup]]]:
    """Return each run group that others are compared with, and those others."""
    sets = {run_group.runs: set_of(run_group) for run_group in group}

    def distance(one: RunGroup, other: RunGroup) -> int:
        """Return in how many algorithms two sets differ."""
        return len(sets[one.runs] ^ sets[other.runs])

    def centrality(run_group: RunGroup) -> tuple[float, int, tuple[str, ...]]:
        """Return how near a set is to all others (harmonic closeness); of equals, the smaller set comes first."""
        near = sum(1 / max(distance(run_group, other), 1) for other in group if other is not run_group)
        return -round(near, 9), len(sets[run_group.runs]), run_group.runs

    children: dict[tuple[str, ...], tuple[RunGroup, list[RunGroup]]] = {}
    for run_group in sorted(group, key=lambda c: (len(sets[c.runs]), c.runs)):
        central = [other for other in group if centrality(other) < centrality(run_group)]
        if central:
            base = min(central, key=lambda other: (distance(run_group, other), centrality(other)))
            children.setdefault(base.runs, (base, []))[1].append(run_group)
    return list(children.values())


def set_name(run_group: RunGroup) -> str:
    """Return a set of algorithms in words."""
    return ", ".join(sorted(set_of(run_group))) or "none"


def set_difference(run_group: RunGroup, base: RunGroup) -> str:
    """Return what a set of algorithms adds to the base's, and what it leaves out."""
    ours, theirs = set_of(run_group), set_of(base)
    return ", ".join(
        [*(f"+ {text}" for text in sorted(ours - theirs)), *(f"− {text}" for text in sorted(theirs - ours))]
    )
