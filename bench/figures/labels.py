"""Labels of points that overlap neither each other nor the points nor leave the axes."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

Point = tuple[float, float]
Horizontal = Literal["left", "center", "right"]
Vertical = Literal["bottom", "center", "top"]
# Where a label may stand beside its point, in points of 1/72 inch: near first, then farther out.
SIDES: tuple[tuple[float, float, Horizontal, Vertical], ...] = (
    (1.0, 0.0, "left", "center"),
    (-1.0, 0.0, "right", "center"),
    (0.7, -0.7, "left", "top"),
    (-0.7, 0.7, "right", "bottom"),
    (0.7, 0.7, "left", "bottom"),
    (-0.7, -0.7, "right", "top"),
    (0.0, 1.0, "center", "bottom"),
    (0.0, -1.0, "center", "top"),
)
DISTANCES = (8.0, 16.0, 28.0, 44.0, 62.0, 84.0)
MARKER = 9.0
# The line between two points is taken as so many small boxes.
STEPS = 40
BACKGROUND: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
LEADER: dict[str, Any] = {"arrowstyle": "-", "color": "#888888", "linewidth": 0.7, "shrinkA": 0, "shrinkB": 4}


def place_labels(
    axes: Axes, labelled: Sequence[tuple[Point, str]], others: Sequence[Point], line: Sequence[Point], size: float
) -> list[str]:
    """Write a label beside each labelled point where there is room, and return the labels for which there was none.

    `others` are points without a label, `line` the corners of a line, all in data coordinates; the layout of the
    figure must be final.
    """
    figure: Any = axes.figure
    renderer = figure.canvas.get_renderer()
    inside = axes.get_window_extent(renderer)
    markers = [around(axes, point, MARKER) for point in [*(point for point, _ in labelled), *others]]
    taken = [*markers, *line_boxes(axes, line)]
    written: list[Bbox] = []
    left_out = []
    for point, text in labelled:
        own = around(axes, point, 2 * MARKER)
        apart = [*written, *(marker for marker in markers if not marker.overlaps(own))]
        box = write_label(axes, point, text, size, inside, (taken, apart), renderer)
        if box is None:
            left_out.append(text)
        else:
            taken += [box, *leader_boxes(axes, point, box)]
            written.append(box)
    return left_out


def around(axes: Axes, point: Point, size: float) -> Bbox:
    """Return the box in pixels of a marker of a size in points."""
    figure: Any = axes.figure
    x, y = axes.transData.transform(point)
    reach = size / 2 * figure.dpi / 72
    return Bbox.from_extents(x - reach, y - reach, x + reach, y + reach)


def leader_boxes(axes: Axes, point: Point, box: Bbox) -> list[Bbox]:
    """Return boxes that cover the line from a point to the middle of its label, but not the label itself."""
    x, y = axes.transData.transform(point)
    middle = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    steps = np.linspace((x, y), middle, STEPS)
    return [Bbox.from_extents(u - 1, v - 1, u + 1, v + 1) for u, v in steps if not box.contains(u, v)]


def line_boxes(axes: Axes, corners: Sequence[Point]) -> list[Bbox]:
    """Return boxes in pixels that cover a line through some points."""
    pixels = axes.transData.transform(np.asarray(corners, dtype=float).reshape(-1, 2))
    boxes = []
    for start, end in pairwise(pixels):
        for share in np.linspace(0.0, 1.0, STEPS):
            x, y = start + share * (end - start)
            boxes.append(Bbox.from_extents(x - 1, y - 1, x + 1, y + 1))
    return boxes


def write_label(
    axes: Axes,
    point: Point,
    text: str,
    size: float,
    inside: Bbox,
    taken: tuple[Sequence[Bbox], Sequence[Bbox]],
    renderer: Any,
) -> Bbox | None:
    """Write one label at the first free place and return its box; remove it again and return None when none is free.

    `taken` are the boxes that the label must not overlap, and those that the line to its point must not cross.
    """
    label = axes.annotate(
        text, point, (0, 0), textcoords="offset points", fontsize=size, arrowprops=LEADER, bbox=BACKGROUND, zorder=4
    )
    label.set_in_layout(False)
    for distance in DISTANCES:
        for dx, dy, horizontal, vertical in SIDES:
            label.set_position((dx * distance, dy * distance))
            label.set_horizontalalignment(horizontal)
            label.set_verticalalignment(vertical)
            label.update_positions(renderer)
            box = Text.get_window_extent(label, renderer)  # of the words alone, without the line to the point
            clear = contains(inside, box) and not any(box.overlaps(other) for other in taken[0])
            if clear and not any(step.overlaps(other) for step in leader_boxes(axes, point, box) for other in taken[1]):
                return box
    label.remove()
    return None


def contains(outer: Bbox, inner: Bbox) -> bool:
    """Tell whether a box lies within another."""
    return outer.x0 <= inner.x0 and outer.y0 <= inner.y0 and inner.x1 <= outer.x1 and inner.y1 <= outer.y1
