"""Points with intervals, drawn so that one very wide interval does not squeeze all the others."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from bench.analysis.cells import Cell

# How far beyond the points an axis reaches for their intervals, as a share of the span of the points.
ROOM, PADDING = 0.35, 0.04
CUT = "An arrowhead: the interval goes on beyond the axis."
Limits = tuple[float, float]


def view_limits(cells: Sequence[Cell], also: Sequence[float] = (), least: float = 2.0) -> Limits:
    """Return the ends of an axis that shows all points, and their intervals unless those are far wider than the points.

    `also` are further values to be in view; together they are taken to span at least `least`. Raises ValueError
    without any value.
    """
    values = [*also, *(cell.value for cell in cells if cell.value is not None)]
    ends = [end for cell in cells for end in (cell.low, cell.high) if end is not None]
    low, high = min(values), max(values)
    room = ROOM * max(high - low, least)
    low, high = max(min([*ends, low]), low - room), min(max([*ends, high]), high + room)
    padding = PADDING * max(high - low, least)
    return low - padding, high + padding


def cuts(cell: Cell, limits: Limits) -> tuple[bool, bool]:
    """Tell whether a cell's interval goes on beyond the lower and beyond the upper end of an axis."""
    return cell.low is not None and cell.low < limits[0], cell.high is not None and cell.high > limits[1]


def cut_note(cells: Sequence[Cell], limits: Limits) -> str:
    """Return the words that explain an arrowhead, where one is drawn."""
    return f" {CUT}" if any(any(cuts(cell, limits)) for cell in cells) else ""


def draw_interval(
    panel: Axes, cell: Cell, at: float, limits: Limits, colour: str, *, upright: bool = False, width: float = 2.2
) -> None:
    """Draw a cell's interval at a place on the other axis, with an arrowhead where the axis cuts it."""
    if cell.low is None or cell.high is None:
        return
    ends = [max(cell.low, limits[0]), min(cell.high, limits[1])]
    points = [(at, end) if upright else (end, at) for end in ends]
    panel.plot(*zip(*points, strict=True), color=colour, linewidth=width, solid_capstyle="butt", zorder=2)
    for (x, y), cut, head in zip(points, cuts(cell, limits), "v^" if upright else "<>", strict=True):
        if cut:
            panel.plot([x], [y], marker=head, color=colour, markersize=6, clip_on=False, zorder=2)


def draw_point(panel: Axes, cell: Cell, place: float, limits: Limits, look: tuple[str, str], size: float = 7) -> None:
    """Draw a cell's value and interval at a height, in a colour and with a marker."""
    assert cell.value is not None, "only cells with a value are drawn"
    colour, marker = look
    draw_interval(panel, cell, place, limits, colour)
    panel.plot([cell.value], [place], marker=marker, color=colour, markersize=size, markeredgecolor="white", zorder=3)
