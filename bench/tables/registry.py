"""The tables as one dict: name → builder."""

from collections.abc import Callable, Sequence

from bench.analysis.cells import Table
from bench.analysis.run_groups import RunGroup
from bench.tables import ablations, comparison, components, groups, targets, technique
from bench.tables.measures import Options

Builder = Callable[[Sequence[RunGroup], Options], Table]

TABLES: dict[str, Builder] = {
    "comparison": comparison.comparison,
    "by_technique": technique.by_technique,
    "efficiency": comparison.efficiency,
    "training_cost": comparison.training_cost,
    "eca_kernel": ablations.named_ablation("eca_kernel"),
    "eca_position": ablations.named_ablation("eca_position"),
    "ghost_ratio": ablations.named_ablation("ghost_ratio"),
    "improved_resnet20_convnext": ablations.named_ablation("improved_resnet20_convnext"),
    "stem": groups.stem_ablation,
    "algorithms": groups.algorithms_ablation,
    "time_to_accuracy": targets.time_to_accuracy,
    "components": components.components,
}
# These are made of what the networks are, and need no run.
WITHOUT_RUNS = frozenset({"components"})
