"""reliability_diagram: how often each model is right where it says how certain it is."""

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.run_groups import RunGroup
from bench.evaluate.registry import CALIBRATION_BINS
from bench.figures import style
from bench.figures.accuracy import Drawings
from bench.figures.evaluated import (
    PERCENT,
    SEEDS,
    Measured,
    data_line,
    evaluated_groups,
    label_of,
    over_seeds,
    pages,
    within,
)
from bench.figures.intervals import draw_interval

EVALUATOR = "calibration"
COLUMNS, MOST = 4, 12
SHOWN = (
    "Points: accuracy of the images of a bin of confidence; on the line they are as right as they say. Bars: images."
)


def reliability_diagram(run_groups: Sequence[RunGroup]) -> Drawings:
    """Return the reliability diagrams, a panel for each run group."""
    members = evaluated_groups(run_groups, EVALUATOR, "bins")
    return [(name, draw(shown)) for name, shown in pages(members, MOST, "reliability_diagram")]


def draw(members: Sequence[RunGroup]) -> Figure:
    """Draw one page of panels."""
    columns = min(COLUMNS, len(members))
    rows = -(-len(members) // columns)
    figure = style.new_figure(max(style.SLIDE[1], 3.6 * rows + 0.8))
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for panel, run_group in zip(axes.flat, members, strict=False):
        draw_panel(panel, run_group)
        panel.set_title(label_of(run_group, members, EVALUATOR), loc="left", fontsize=style.SMALL)
    for unused in axes.flat[len(members) :]:
        unused.remove()
    figure.supylabel("Top-1 of the bin (%); bars: share of the images (%)", fontsize=style.TEXT)
    style.add_footer(figure, [f"Horizontal: confidence (%). {data_line(members)}.", SHOWN, SEEDS])
    return figure


def draw_panel(panel: Axes, run_group: RunGroup) -> None:
    """Draw one run group: a point with its interval for each bin, and how many images the bin has."""
    panel.plot(PERCENT, PERCENT, color=style.GREY, linewidth=1, linestyle="--")
    for number in range(CALIBRATION_BINS):
        share, confidence, accuracy = (
            over_seeds(run_group, EVALUATOR, partial(of_bin, number=number, key=key))
            for key in ("images", "confidence", "accuracy")
        )
        if share.value is None or confidence.value is None or accuracy.value is None:
            continue
        middle = 100 * (number + 0.5) / CALIBRATION_BINS
        panel.bar(middle, share.value, 100 / CALIBRATION_BINS, color="#e3e3e3", edgecolor="white", zorder=0)
        draw_interval(panel, within(accuracy), confidence.value, PERCENT, style.BLUE, upright=True, width=1.4)
        panel.plot([confidence.value], [accuracy.value], marker="o", color=style.BLUE, markersize=5, zorder=3)
    error = over_seeds(run_group, EVALUATOR, lambda measured: measured.get("ece"))
    if error.value is not None:
        panel.text(4, 93, f"ECE {error.value:.1f} %", fontsize=style.SMALL)
    panel.set_xlim(PERCENT)
    panel.set_ylim(PERCENT)


def of_bin(measured: Measured, number: int, key: str) -> float | None:
    """Return a number of a bin of one run; its images in percent of all. None where the bin is empty."""
    bins = measured.get("bins") or []
    found = next((row[key] for row in bins if row["bin"] == number), None)
    return 100 * found / sum(row["images"] for row in bins) if found is not None and key == "images" else found
