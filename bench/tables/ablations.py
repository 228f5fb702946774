"""The ablation tables: which runs are their arms, and each arm's difference from the base.

The arms are found in the records by model, options and stem; they need no YAML of an ablation. Within a block all arms
share data, steps, batch and augmentation; what else differs from the base is footnoted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.analysis.cells import Block, Phrase, Row, Table, missing, words
from bench.analysis.recipe import option_values
from bench.analysis.run_groups import RunGroup, differing
from bench.tables import measures as m
from bench.tables import notes
from bench.tables.comparison import CONVENTIONS, HEADLINE, block_items, columns_shown
from bench.tables.contrasts import COLUMNS, contrast_cells, contrasts_of, noise_block

ADJUSTED = Phrase(
    "Δ = arm − base in points, with its 95 % interval (not adjusted) by Welch's t-test; p after Holm in the block."
)
PAIRED = Phrase(
    "Δ = arm − base in points over common seeds, with its 95 % interval (not adjusted), paired t-test; p after Holm."
)
SETTLE = Phrase(
    "Seeds to settle: seeds an arm for 80 % power at unadjusted p = 0.05, if difference and spread are as seen."
)


@dataclass(frozen=True)
class Arm:
    """One arm: how it is shown, the model, and the options that differ from the zoo's row of it."""

    model: str
    options: Mapping[str, object] = field(default_factory=dict)
    label: str = ""
    optional: bool = False

    @property
    def name(self) -> str:
        """Return the words that stand for the arm."""
        return self.label or " ".join([self.model, *(f"{key}={value}" for key, value in self.options.items())])

    def matches(self, run_group: RunGroup) -> bool:
        """Tell whether a run group is this arm: the model with these options and its usual stem."""
        wanted = option_values(self.model, self.options)
        found = option_values(run_group.model, run_group.spec["model"].get("options") or {})
        return run_group.model == self.model and found == wanted and not run_group.spec["model"].get("stem")


@dataclass(frozen=True)
class Ablation:
    """One ablation: title, base and arms; the `stand_in` is the base where the base itself has no run."""

    title: str
    base: Arm
    arms: tuple[Arm, ...]
    stand_in: Arm | None = None

    def bases(self, run_groups: Sequence[RunGroup]) -> tuple[Arm, list[RunGroup]]:
        """Return the base among some run groups: the arm that it is, and its runs."""
        found = [run_group for run_group in run_groups if self.base.matches(run_group)]
        if found or self.stand_in is None:
            return self.base, found
        instead = [run_group for run_group in run_groups if self.stand_in.matches(run_group)]
        return (self.stand_in, instead) if instead else (self.base, [])


# The deck's second name of ResNet-20: an arm beside the base, or the base.
ALIAS = Arm("resnet20_no_eca", optional=True)
ABLATIONS: dict[str, Ablation] = {
    "eca_kernel": Ablation(
        "ECA: kernel size",
        Arm("resnet_20"),
        (
            ALIAS,
            Arm("ecanet20_adaptive"),
            Arm("eca_resnet_20", label="eca_resnet_20 (k=3)", optional=True),
            *(Arm(f"ecanet20_fixed_k{kernel}") for kernel in (3, 5, 7, 9)),
        ),
        ALIAS,
    ),
    "eca_position": Ablation(
        "ECA: position in the block",
        Arm("resnet_20"),
        (
            ALIAS,
            Arm("eca_resnet20_pos1", label="eca_resnet20_pos1 (after the first BN)"),
            Arm("eca_resnet_20", label="eca_resnet_20 (after the second BN)"),
            Arm("eca_resnet20_pos3", label="eca_resnet20_pos3 (after the add)"),
        ),
        ALIAS,
    ),
    "ghost_ratio": Ablation(
        "Ghost: ratio",
        Arm("resnet_20"),
        (ALIAS, *(Arm("ghost_resnet_20", {"ratio": ratio}) for ratio in (2, 3, 4))),
        ALIAS,
    ),
    "improved_resnet20_convnext": Ablation(
        "improved_resnet20_convnext: what its parts do",
        Arm("improved_resnet20_convnext"),
        tuple(Arm(f"improved_resnet20_convnext_{part}") for part in ("no_droppath", "std_conv", "no_inverted")),
    ),
}


def nearest_base(run_group: RunGroup, bases: Sequence[RunGroup]) -> RunGroup | None:
    """Return the base whose recipe differs least from a run group's; of several, the one with most runs."""
    if not bases:
        return None
    return min(bases, key=lambda base: (len(differing(base, run_group)), -len(base.runs), base.runs))


def named_ablation(name: str) -> Callable[[Sequence[RunGroup], m.Options], Table]:
    """Return the builder of one of the ablations above."""

    def build(run_groups: Sequence[RunGroup], options: m.Options) -> Table:
        """Return the ablation's table: for each block of comparable recipes, its base, its arms, its noise floor."""
        ablation = ABLATIONS[name]
        blocks = []
        for values, members in block_items(run_groups, options):
            heading = notes.block_heading(values) if values else None
            blocks += named_blocks(ablation, members, heading, options)
        return ablation_table(name, ablation.title, blocks, options)

    return build


def named_blocks(
    ablation: Ablation, members: Sequence[RunGroup], heading: Phrase | None, options: m.Options
) -> list[Block]:
    """Return an ablation's block among comparable run groups, and that of its noise floor, where there are any."""
    base_arm, bases = ablation.bases(members)
    arms_sought = [arm for arm in ablation.arms if arm != base_arm]
    found = [(arm, [run_group for run_group in members if arm.matches(run_group)]) for arm in arms_sought]
    if not any(matching for _, matching in found):
        return []
    arms = [(arm.name, run_group) for arm, matching in found for run_group in matching]
    contrasts = [(label, run_group, nearest_base(run_group, bases)) for label, run_group in arms]
    used = [base for base in bases if any(base is chosen for _, _, chosen in contrasts)]
    absent = [arm.name for arm, matching in found if not matching and not arm.optional]
    absent = [*([] if bases else [base_arm.name]), *absent]
    rows = ablation_rows([(base_arm.name, base) for base in used], contrasts, options)
    rows += [Row({"arm": words("{}", name), "top1": missing("no finished run in this block")}) for name in absent]
    everyone = [*used, *(run_group for _, run_group in arms)]
    return [Block(heading, rows), *noise_block(everyone, options.paired)]


def ablation_rows(
    bases: Sequence[tuple[str, RunGroup]],
    arms: Sequence[tuple[str, RunGroup, RunGroup | None]],
    options: m.Options,
    ablated: Sequence[str] = (),
) -> list[Row]:
    """Return the rows of the bases, then of the arms with their contrasts, adjusted together."""
    shown = columns_shown(COLUMNS, options)
    rows = [
        Row({"arm": words("{}", label), "verdict": words("base"), **m.measure(base, shown)}) for label, base in bases
    ]
    contrasts = contrasts_of([(base, run_group) for _, run_group, base in arms], options.paired)
    for (label, run_group, base), contrast in zip(arms, contrasts, strict=True):
        cells = {"arm": words("{}", label), **m.measure(run_group, shown), **contrast_cells(contrast)}
        rows.append(Row(cells, arm_notes(run_group, base, ablated)))
    return rows


def arm_notes(run_group: RunGroup, base: RunGroup | None, ablated: Sequence[str]) -> tuple[Phrase, ...]:
    """Return the footnote on how an arm's recipe differs from its base's, beyond what is ablated."""
    different = () if base is None else notes.recipe_notes(run_group, base.recipe_fields, ignore=ablated)
    return (Phrase("its recipe differs from the base's: {}", different),) if different else ()


def ablation_table(name: str, title: str, blocks: Sequence[Block], options: m.Options) -> Table:
    """Return an ablation's table; without any arm it says so."""
    shown = columns_shown(COLUMNS, options)
    method = PAIRED if options.paired else ADJUSTED
    below = (
        (method, SETTLE, HEADLINE, CONVENTIONS) if blocks else (Phrase("No finished run of an arm of this ablation."),)
    )
    return Table(name, Phrase(title), shown, blocks, below)
