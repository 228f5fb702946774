"""Ablations within a network: what its runs differ in, recipe field by field; a block for each model and recipe.

Arms are found in the records: the run groups of declared arms that differ in nothing but what is ablated, of any model
and recipe. What stands alone there has nothing to be compared with and is not shown.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from bench.analysis.ablations import Ablation
from bench.analysis.cells import Block, Phrase
from bench.analysis.recipe import MACHINE, NOTHING, RECIPE_FIELDS
from bench.analysis.run_groups import RunGroup, blocks_of, differing
from bench.tables import measures as m
from bench.tables import notes
from bench.tables.ablation_rows import ablation_block, compared_fields

# Fields that hold methods, and what they say without any; the precision is declared apart from the algorithms.
METHODS = {"algorithms": NOTHING, "precision": "fp32"}


def recipe_blocks(ablation: Ablation, run_groups: Sequence[RunGroup], options: m.Options) -> list[Block]:
    """Return a block for each run group that others are compared with: its row, then those of its arms.

    A run group's base is the nearest one that is more central: for methods, the one without any for those that were
    added, the one with all for those that were left out. A declared baseline is more central than all others.
    """
    fixed = [name for name in RECIPE_FIELDS if name not in {*ablation.free, MACHINE}]
    declared = [run_group for run_group in run_groups if ablation.arm_of(run_group)]
    blocks = []
    for group in blocks_of(declared, fixed, ablation.fields_of).values():
        for base, arms in arms_by_base(ablation, group):
            labelled = [(difference(ablation, arm, base), arm, base) for arm in arms]
            labelled.sort(key=lambda row: (place_of(ablation, row[1]), row[0]))
            bases, heading = [(whole_label(ablation, base), base)], group_heading(ablation, base)
            blocks.append(ablation_block(heading, bases, labelled, options, ablation.ablated))
    return blocks


def group_heading(ablation: Ablation, run_group: RunGroup) -> Phrase:
    """Return the heading of a block: the model, and what its rows have in common."""
    names, fields = compared_fields(ablation), ablation.fields_of(run_group)
    recipe = notes.block_heading([fields[name] for name in names], names)
    return Phrase("{}; {}", (run_group.model, recipe))


def methods_of(ablation: Ablation, run_group: RunGroup) -> frozenset[str]:
    """Return the methods of a run group among what is ablated: its algorithms, and mixed precision."""
    texts = {name: run_group.recipe_fields[name] for name in METHODS if name in ablation.ablated}
    found = {part for name, text in texts.items() for part in (text.split(", ") if name == "algorithms" else [text])}
    return frozenset(found - set(METHODS.values()))


def values_of(ablation: Ablation, run_group: RunGroup) -> frozenset[str]:
    """Return the other ablated fields of a run group with their values."""
    others = (name for name in ablation.ablated if name not in METHODS)
    return frozenset(f"{name} {run_group.recipe_fields[name]}" for name in others)


def arms_by_base(ablation: Ablation, group: Sequence[RunGroup]) -> list[tuple[RunGroup, list[RunGroup]]]:
    """Return each run group that others are compared with, and those others; runs of one arm are not compared.

    Of several run groups of one arm it is the one whose recipe differs least, on the same machine, or with most runs.
    """
    parts = {one.runs: methods_of(ablation, one) | values_of(ablation, one) for one in group}

    def distance(one: RunGroup, other: RunGroup) -> int:
        """Return in how many parts two run groups differ."""
        return len(parts[one.runs] ^ parts[other.runs])

    def centrality(run_group: RunGroup) -> tuple[bool, float, int, int, int, tuple[str, ...]]:
        """Return how near a run group is to all others (harmonic closeness); of equals, the smaller comes first."""
        declared = any(ablation.matches(base, run_group) for base in ablation.baselines)
        near = sum(1 / max(distance(run_group, other), 1) for other in group if other is not run_group)
        size, place = len(parts[run_group.runs]), place_of(ablation, run_group)
        return not declared, -round(near, 9), size, place, -len(run_group.runs), run_group.runs

    def remoteness(run_group: RunGroup, base: RunGroup) -> tuple[int, int, tuple[Any, ...]]:
        """Return how far a base is from a run group: in what is ablated, then in all else, its machine too."""
        rest = differing(base, run_group, ignore=ablation.ablated)
        return distance(run_group, base), len(rest), centrality(base)

    children: dict[tuple[str, ...], tuple[RunGroup, list[RunGroup]]] = {}
    for run_group in sorted(group, key=lambda c: (len(parts[c.runs]), c.runs)):
        others = [other for other in group if place_of(ablation, other) != place_of(ablation, run_group)]
        central = [other for other in others if centrality(other) < centrality(run_group)]
        if central:
            base = min(central, key=partial(remoteness, run_group))
            children.setdefault(base.runs, (base, []))[1].append(run_group)
    return list(children.values())


def place_of(ablation: Ablation, run_group: RunGroup) -> int:
    """Return the place of a run group of an arm among the declared arms."""
    return next(place for place, arm in enumerate(ablation.arms) if ablation.matches(arm, run_group))


def declared_label(ablation: Ablation, run_group: RunGroup) -> str | None:
    """Return the label that the file gives a run group's arm, None without one."""
    arm = ablation.arm_of(run_group)
    return arm.label if arm else None


def whole_label(ablation: Ablation, run_group: RunGroup) -> str:
    """Return the label of a base: the file's, else what it is in the ablated fields."""
    words = sorted(methods_of(ablation, run_group) | values_of(ablation, run_group))
    return declared_label(ablation, run_group) or ", ".join(words) or NOTHING


def difference(ablation: Ablation, run_group: RunGroup, base: RunGroup) -> str:
    """Return the label of an arm: the file's, else what differs from its base, methods as added or left out."""
    ours, theirs = methods_of(ablation, run_group), methods_of(ablation, base)
    words = [
        *sorted(values_of(ablation, run_group) - values_of(ablation, base)),
        *(f"+ {text}" for text in sorted(ours - theirs)),
        *(f"− {text}" for text in sorted(theirs - ours)),
    ]
    # Without a difference, two declarations came to the same, as `auto` and fp32 do without mixed precision.
    return declared_label(ablation, run_group) or ", ".join(words) or whole_label(ablation, run_group)
