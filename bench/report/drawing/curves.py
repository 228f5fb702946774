"""Training curves with their bands: a panel of chosen rows, or one of all rows of which the page shows some."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.curves import Curve
from bench.report.drawing import canvas
from bench.report.drawing.canvas import Axis, number, tag

# A line of more points than a screen has pixels for is drawn through some of them.
MAX_POINTS = 120
COLOURS, KEY = 7, 17.0
# The evaluations of a shorter curve are marked, of one with a single evaluation nothing else is seen.
FEW = 12


@dataclass(frozen=True)
class Line:
    """One row's curve: number and name on the page."""

    group: int
    name: str
    curve: Curve


def draw_curves(lines: Sequence[Line], title: str, x_title: str, y_title: str, *, key: bool = True) -> str:
    """Return the figure; each curve is a group that tells its row in `data-g`. Raises ValueError without any line.

    The curves are coloured in turns. Without a `key` the page colours and names those that it shows.
    """
    epochs = [epoch for line in lines for epoch in line.curve.epochs]
    values = [value for line in lines for value in (*line.curve.low, *line.curve.high)]
    rows = -(-len(lines) // 2) if key else 0
    x = Axis(0.0, max(epochs), canvas.LEFT, canvas.WIDTH - canvas.RIGHT)
    y = Axis.over([0.0, *values], canvas.HEIGHT - canvas.BOTTOM, canvas.TOP)
    return canvas.picture(
        canvas.WIDTH,
        canvas.HEIGHT + KEY * (rows + 1 if rows else 0),
        title,
        canvas.frame(x, y, x_title, y_title),
        "".join(draw_line(line, x, y, f"c{index % COLOURS}" if key else "") for index, line in enumerate(lines)),
        draw_key(lines) if key else "",
    )


def draw_line(line: Line, x: Axis, y: Axis, colour: str) -> str:
    """Return a curve with its band, which names its row."""
    chosen = thinned(len(line.curve.epochs))
    across = [x.at(line.curve.epochs[index]) for index in chosen]
    mean, low, high = (
        [y.at(values[index]) for index in chosen] for values in (line.curve.mean, line.curve.low, line.curve.high)
    )
    edge = [*zip(across, high, strict=True), *reversed(list(zip(across, low, strict=True)))]
    band = tag("polygon", points=" ".join(f"{number(a)},{number(b)}" for a, b in edge), class_="band")
    words = canvas.tooltip(f"{line.name}: {line.curve.mean[-1]:.2f}")
    points = list(zip(across, mean, strict=True))
    marked = points if len(points) <= FEW else []
    dots = "".join(tag("circle", cx=a, cy=b, r="2.2", class_="dot") for a, b in marked)
    parts = (words, band, canvas.line(points, "mean-line"), dots)
    return tag("g", *parts, class_=f"curve {colour}".strip(), data_g=line.group)


def thinned(count: int) -> list[int]:
    """Return the places of at most MAX_POINTS of so many points, the last one among them."""
    step = -(-count // MAX_POINTS)
    return sorted({*range(count - 1, -1, -step)})


def draw_key(lines: Sequence[Line]) -> str:
    """Return the names of the curves below the plot, in two columns."""
    half = (canvas.WIDTH - canvas.LEFT) / 2
    parts = []
    for index, line in enumerate(lines):
        left, top = canvas.LEFT + half * (index % 2), canvas.HEIGHT + KEY * (index // 2 + 1)
        parts.append(
            tag(
                "g",
                tag("path", d=f"M{number(left)} {number(top - 4)}h22", class_="mean-line"),
                canvas.label(left + 28, top, line.name, class_="name"),
                class_=f"curve c{index % COLOURS}",
            )
        )
    return "".join(parts)
