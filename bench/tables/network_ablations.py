"""Ablations of networks: which runs are their arms, block by block of comparable recipes.

Within a block all arms share data, steps, batch and augmentation; what else differs from the base is footnoted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.analysis.ablations import Ablation, Arm
from bench.analysis.cells import Block, Phrase, Row, missing, words
from bench.analysis.metrics import HEADLINE
from bench.analysis.recipe import START
from bench.analysis.run_groups import RunGroup, blocks_of
from bench.tables import measures as m
from bench.tables.ablation_rows import PAIRED, ablation_block, compared_fields, nearest_base
from bench.tables.comparison import heading_or_none
from bench.tables.contrasts import noise_block


@dataclass(frozen=True)
class Found:
    """An arm or another name of its network, as a block has it; what is not `declared` is not missed."""

    label: str
    runs: Sequence[RunGroup]
    declared: bool


def network_blocks(ablation: Ablation, run_groups: Sequence[RunGroup], options: m.Options) -> list[Block]:
    """Return, for each block of comparable recipes, the base, the arms, and the noise floor where there is one."""
    fields = (START,) if options.allow_mixed else compared_fields(ablation)
    items = blocks_of(run_groups, fields, ablation.fields_of) or {(): []}
    blocks = []
    for values, members in items.items():
        blocks += named_blocks(ablation, members, heading_or_none(values, fields), options)
    return blocks


def named_blocks(
    ablation: Ablation, members: Sequence[RunGroup], heading: Phrase | None, options: m.Options
) -> list[Block]:
    """Return an ablation's block among comparable run groups, and that of its noise floor, where there are any."""
    base, *others = find_arms(ablation, members)
    if not any(found.runs for found in others):
        return []
    arms = [(found.label, run_group) for found in others for run_group in found.runs]
    contrasts = [(label, run_group, nearest_base(run_group, base.runs)) for label, run_group in arms]
    used = [run_group for run_group in base.runs if any(run_group is chosen for _, _, chosen in contrasts)]
    bases = [(base.label, run_group) for run_group in used]
    block = ablation_block(heading, bases, contrasts, options, ablation.ablated)
    absent = [found.label for found in (base, *others) if not found.runs and found.declared]
    gaps = [Row({"arm": words("{}", name), HEADLINE: missing("no finished run in this block")}) for name in absent]
    everyone = [*used, *(run_group for _, run_group in arms)]
    return [replace(block, rows=[*block.rows, *gaps]), *noise_block(everyone, block.test == PAIRED)]


def find_arms(ablation: Ablation, members: Sequence[RunGroup]) -> list[Found]:
    """Return the base and the arms with their runs among some run groups, in the order of the file.

    Another name of the base's network stands in for a base that has no run.
    """
    found = []
    for arm in ablation.arms:
        for declared, one in ((True, arm), *((False, other) for other in ablation.other_names.get(arm.name, ()))):
            matching = [run_group for run_group in members if ablation.matches(one, run_group)]
            found.append(Found(arm_label(ablation, one), matching, declared))
    of_base = found[: 1 + len(ablation.other_names.get(ablation.arms[0].name, ()))]
    base = next((one for one in of_base if one.runs), of_base[0])
    return [base, *(one for one in found if one is not base and (one.runs or one is not of_base[0]))]


def arm_label(ablation: Ablation, arm: Arm) -> str:
    """Return an arm's label: the file's, else its network and what else is ablated."""
    rest = [f"{name} {arm.fields[name]}" for name in ablation.ablated if name != "model"]
    return arm.label or ", ".join([arm.network, *rest])
