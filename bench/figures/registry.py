"""The figures as one dict: name → what draws them."""

from collections.abc import Callable, Sequence

from bench.analysis.run_groups import RunGroup
from bench.figures import accuracy, curves, efficiency, forest, times
from bench.figures.accuracy import Drawings

FIGURES: dict[str, Callable[[Sequence[RunGroup]], Drawings]] = {
    "accuracy_comparison": accuracy.accuracy_comparison,
    "architecture_comparison": accuracy.architecture_comparison,
    "efficiency_analysis": efficiency.efficiency_analysis,
    "training_curves": curves.training_curves,
    "time_to_accuracy": times.time_to_accuracy,
    "ablations": forest.ablations,
}
