"""Rows of points with intervals on one horizontal axis: ablation forests, and times to an accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.cells import Cell
from bench.report.drawing import canvas
from bench.report.drawing.canvas import Axis, number, tag

ROW, HEAD = 24.0, 8.0
# Widths of what stands to the left and to the right of the plot.
NAMES, REMARKS = 270.0, 190.0
MAX_LETTERS = 40


@dataclass(frozen=True)
class Mark:
    """One point of a row: its cell, its shape, the class that colours it, what its tooltip says.

    A cell without a value is drawn at its lower end, as an open marker: it is a lower bound.
    """

    cell: Cell
    shape: str
    colour: str
    words: str


@dataclass(frozen=True)
class RowOfMarks:
    """One row: its name, its points, and what stands beside them."""

    name: str
    marks: Sequence[Mark]
    remark: str = ""


def draw_rows(rows: Sequence[RowOfMarks], title: str, x_title: str, *, zero: bool = False, log: bool = False) -> str:
    """Return the figure, the first row on top; `zero` draws the line of no difference. Raises ValueError without any.

    One very wide interval does not squeeze the others: it is cut at the axis.
    """
    cells = [mark.cell for row in rows for mark in row.marks]
    height = HEAD + ROW * len(rows) + canvas.BOTTOM
    right = canvas.WIDTH - (REMARKS if any(row.remark for row in rows) else canvas.RIGHT)
    if log:
        x = Axis.over([v for cell in cells for v in interval_ends(cell) if v > 0], NAMES, right, log=True)
    else:
        x = Axis(*canvas.view_ends(cells, also=[0.0] if zero else []), NAMES, right)
    bottom = height - canvas.BOTTOM
    body = "".join(draw_row(row, x, HEAD + ROW * (place + 0.5)) for place, row in enumerate(rows))
    line = tag("path", d=f"M{number(x.at(0))} {number(HEAD)}V{number(bottom)}", class_="axis") if zero else ""
    words = canvas.label((x.start + x.end) / 2, bottom + 36, x_title, text_anchor="middle")
    return canvas.picture(canvas.WIDTH, height, title, canvas.x_ticks(x, HEAD, bottom), line, body, words)


def interval_ends(cell: Cell) -> list[float]:
    """Return a cell's value and the ends of its interval."""
    return [end for end in (cell.value, cell.low, cell.high) if end is not None]


def place_of(cell: Cell) -> float:
    """Return where a cell is drawn: at its value, else at its lower bound. Raises ValueError without either."""
    place = cell.low if cell.value is None else cell.value
    if place is None:
        raise ValueError("only cells with a value or a lower bound are drawn")
    return place


def draw_row(row: RowOfMarks, x: Axis, y: float) -> str:
    """Return one row: name, points, remark."""
    name = row.name if len(row.name) <= MAX_LETTERS else f"{row.name[: MAX_LETTERS - 1]}…"
    parts = [tag("g", canvas.tooltip(row.name), canvas.label(NAMES - 10, y + 4, name, text_anchor="end"))]
    parts += [draw_mark(mark, x, y) for mark in row.marks]
    if row.remark:
        parts.append(canvas.label(x.end + 10, y + 4, row.remark, class_="name"))
    return "".join(parts)


def draw_mark(mark: Mark, x: Axis, y: float) -> str:
    """Return one point with its interval, as far as the axis reaches."""
    bar = ""
    if mark.cell.low is not None and mark.cell.high is not None:
        ends = [min(max(end, x.low), x.high) for end in (mark.cell.low, mark.cell.high)]
        cut = " cut" if ends != [mark.cell.low, mark.cell.high] else ""
        path = f"M{number(x.at(ends[0]))} {number(y)}H{number(x.at(ends[1]))}"
        bar = tag("path", d=path, class_=f"bar {mark.colour}{cut}")
    look = "mean bound" if mark.cell.value is None else "mean"
    point = canvas.marker(mark.shape, x.at(place_of(mark.cell)), y, f"{look} {mark.colour}")
    return tag("g", canvas.tooltip(mark.words), bar, point)
