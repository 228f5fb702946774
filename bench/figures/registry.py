"""The figures as one dict: name → what draws them."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench.analysis.ablations import ABLATIONS
from bench.analysis.run_groups import RunGroup
from bench.figures import accuracy, confusion, curves, efficiency, forest, frontier, reliability, robustness, times
from bench.figures.accuracy import Drawings

Figures = dict[str, Callable[[Sequence[RunGroup]], Drawings]]

FIGURES: Figures = {
    "accuracy_comparison": accuracy.accuracy_comparison,
    "architecture_comparison": accuracy.architecture_comparison,
    "efficiency_analysis": efficiency.efficiency_analysis,
    "frontier": frontier.frontier,
    "training_curves": curves.training_curves,
    "time_to_accuracy": times.time_to_accuracy,
    "ablations": forest.ablations,
    # Of what `python -m bench.evaluate` measured; without that there is nothing to draw.
    "reliability_diagram": reliability.reliability_diagram,
    "superclass_confusion": confusion.superclass_confusion,
    "corruption_curves": robustness.corruption_curves,
    "adversarial_accuracy": robustness.adversarial_accuracy,
}


def all_figures(ablations: Path = ABLATIONS) -> Figures:
    """Return the figures, with the ablations of a folder."""
    return {**FIGURES, "ablations": partial(forest.ablations, folder=ablations)}
