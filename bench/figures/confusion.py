"""superclass_confusion: for which superclass each one is taken, and how sure its accuracy is."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from statistics import mean

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bench.analysis.run_groups import RunGroup
from bench.figures import style
from bench.figures.accuracy import Drawings
from bench.figures.curves import file_name
from bench.figures.evaluated import (
    PERCENT,
    SEEDS,
    Measured,
    data_line,
    evaluated_groups,
    measured_runs,
    over_seeds,
    within,
)
from bench.figures.intervals import draw_point
from bench.tables.evaluation_columns import evaluations_of

EVALUATOR = "superclass"
# Shares below this are not written out, in percent.
WRITTEN = 4.5


def superclass_confusion(run_groups: Sequence[RunGroup]) -> Drawings:
    """Return a figure for each run group; those of one label are numbered."""
    names: dict[str, int] = defaultdict(int)
    drawings: Drawings = []
    for run_group in evaluated_groups(run_groups, EVALUATOR, "confusion"):
        stem = f"superclass_confusion_{file_name(run_group.label)}"
        names[stem] += 1
        drawings.append((stem if names[stem] == 1 else f"{stem}_{names[stem]}", draw(run_group)))
    return drawings


def draw(run_group: RunGroup) -> Figure:
    """Draw the matrix, in percent of the true superclass's images, beside the accuracies with their intervals."""
    measured = [item for item in evaluations_of(run_group, EVALUATOR) if item.get("confusion")]
    names = [row["superclass"] for row in measured[0]["superclasses"]]
    figure = style.new_figure(9.0)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[4, 1])
    draw_matrix(left, mean_shares(measured), names)
    for place, name in enumerate(names):
        cell = over_seeds(run_group, EVALUATOR, partial(accuracy_of, name=name))
        if cell.value is not None:
            draw_point(right, within(cell), place, PERCENT, (style.BLUE, "o"))
    right.set_xlim(PERCENT)
    right.set_xlabel("Superclass top-1 (%)")
    figure.suptitle(f"{run_group.label} [{measured_runs(run_group, EVALUATOR)}]", x=0.01, ha="left")
    shown = "Row: true superclass, column: the named one; mean over seeds of the share in percent of the row's images."
    style.add_footer(figure, [f"{data_line([run_group])}. {shown}", f"Right: {SEEDS}"])
    return figure


def mean_shares(measured: Sequence[Measured]) -> NDArray[np.float64]:
    """Return the mean over runs of the confusion in percent of each row."""
    counts = [np.asarray(item["confusion"], float) for item in measured]
    shares = [100 * matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True)) for matrix in counts]
    return np.asarray(np.mean(shares, axis=0))


def accuracy_of(measured: Measured, name: str) -> float | None:
    """Return the accuracy of a superclass in one run."""
    rows = measured.get("superclasses") or []
    return mean(row["top1"] for row in rows if row["superclass"] == name) if rows else None


def draw_matrix(panel: Axes, shares: NDArray[np.float64], names: Sequence[str]) -> None:
    """Draw shares as shades, the larger ones as numbers too."""
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    panel.grid(visible=False)
    for (row, column), share in np.ndenumerate(shares):
        if share >= WRITTEN:
            colour = "white" if share > 55 else "black"
            panel.text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=8.5, color=colour)
    panel.set_yticks(range(len(names)), list(names), fontsize=style.SMALL)
    panel.set_xticks(range(len(names)), list(names), fontsize=8.5, rotation=45, ha="right", rotation_mode="anchor")
