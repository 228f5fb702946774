"""Accuracy against a cost: a marker for each row, its interval, its seeds as dots, the Pareto front."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.cells import Cell
from bench.analysis.pareto import pareto_front
from bench.figures.efficiency import step_corners
from bench.report.drawing import canvas
from bench.report.drawing.canvas import Axis, number, tag

# Where a name may stand beside its marker: shift in pixels, and the side from which the text starts.
PLACES = ((9, 4, "start"), (-9, 4, "end"), (0, -11, "middle"), (0, 19, "middle"), (9, -9, "start"), (-9, 16, "end"))
LETTER, LINE = 6.1, 13.0
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Seed:
    """One run of a row: its number on the page, its id, its cost and its accuracy."""

    run: int
    name: str
    cost: float
    score: float


@dataclass(frozen=True)
class Point:
    """One row of the table in a figure: number and name on the page, technique, cost, accuracy, seeds."""

    group: int
    name: str
    technique: str
    cost: float
    score: Cell
    seeds: tuple[Seed, ...]

    @property
    def mean(self) -> float:
        """Return the accuracy; points are made of cells that have one."""
        assert self.score.value is not None, "only rows with an accuracy are drawn"
        return self.score.value


def scatter(points: Sequence[Point], title: str, x_title: str, y_title: str, *, log: bool) -> str:
    """Return the figure; raise ValueError without any point."""
    costs = [point.cost for point in points] + [seed.cost for point in points for seed in point.seeds]
    x = Axis.over(costs, canvas.LEFT, canvas.WIDTH - canvas.RIGHT, log=log)
    limits = canvas.view_ends([point.score for point in points], [seed.score for p in points for seed in p.seeds])
    y = Axis(*limits, canvas.HEIGHT - canvas.BOTTOM, canvas.TOP)
    front = front_of(points)
    return canvas.picture(
        canvas.WIDTH,
        canvas.HEIGHT,
        title,
        canvas.frame(x, y, x_title, y_title),
        front_line(front, x, y),
        "".join(mean_marker(point, x, y) for point in points),
        "".join(seed_dots(point, x, y, y_title) for point in points),
        front_names(front, points, x, y),
    )


def front_of(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats on both accuracy and cost, the cheapest first."""
    on_front = pareto_front([point.cost for point in points], [point.mean for point in points])
    return sorted((p for p, best in zip(points, on_front, strict=True) if best), key=lambda p: (p.cost, p.mean))


def front_line(front: Sequence[Point], x: Axis, y: Axis) -> str:
    """Return the Pareto front as a line of steps."""
    corners = step_corners([(point.cost, point.mean) for point in front])
    return canvas.line([(x.at(cost), y.at(score)) for cost, score in corners], "front")


def seed_dots(point: Point, x: Axis, y: Axis, unit: str) -> str:
    """Return a row's runs as dots that name them and lead to them."""
    colour, _ = canvas.technique_look(point.technique)
    return "".join(
        tag(
            "a",
            tag(
                "circle",
                canvas.tooltip(f"{seed.name}: {unit} {seed.score:.2f}"),
                cx=x.at(seed.cost),
                cy=y.at(seed.score),
                r="2.4",
                class_=f"dot {colour}",
            ),
            href=f"#r{seed.run}",
            tabindex="-1",
        )
        for seed in point.seeds
    )


def mean_marker(point: Point, x: Axis, y: Axis) -> str:
    """Return a row's marker with its interval; one that the axis cuts ends in an open stroke."""
    colour, shape = canvas.technique_look(point.technique)
    cx, cy = x.at(point.cost), y.at(point.mean)
    bar = ""
    if point.score.low is not None and point.score.high is not None:
        low, high = max(point.score.low, y.low), min(point.score.high, y.high)
        cut = low > point.score.low or high < point.score.high
        path = f"M{number(cx)} {number(y.at(low))}V{number(y.at(high))}"
        bar = tag("path", d=path, class_=f"bar {colour}{' cut' if cut else ''}")
    words = canvas.tooltip(f"{point.name}: {point_text(point)}")
    return tag("a", words, bar, canvas.marker(shape, cx, cy, f"mean {colour}"), href=f"#g{point.group}")


def point_text(point: Point) -> str:
    """Return a row's accuracy with its interval, and its cost."""
    half = "" if point.score.low is None or point.score.high is None else (point.score.high - point.score.low) / 2
    spread = f" ± {half:.2f}" if half != "" else ""
    return f"{point.mean:.2f}{spread} (n = {len(point.seeds)}); {point.cost:.4g}"


def front_names(front: Sequence[Point], points: Sequence[Point], x: Axis, y: Axis) -> str:
    """Return the names of the points on the front, each where it covers neither a marker nor another name."""
    taken = [(x.at(p.cost) - 6, y.at(p.mean) - 6, x.at(p.cost) + 6, y.at(p.mean) + 6) for p in points]
    names = []
    for point in front:
        cx, cy = x.at(point.cost), y.at(point.mean)
        for dx, dy, anchor in PLACES:
            box = name_box(cx + dx, cy + dy, point.name, anchor)
            if inside(box, x, y) and not any(overlap(box, other) for other in taken):
                taken.append(box)
                names.append(canvas.label(cx + dx, cy + dy, point.name, text_anchor=anchor, class_="name"))
                break
    return "".join(names)


def name_box(x: float, y: float, name: str, anchor: str) -> Box:
    """Return about which box a name takes."""
    width = LETTER * len(name)
    left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
    return left, y - LINE + 3, left + width, y + 3


def inside(box: Box, x: Axis, y: Axis) -> bool:
    """Tell whether a box lies within the plot."""
    return box[0] >= x.start and box[2] <= x.end and box[1] >= y.end and box[3] <= y.start


def overlap(one: Box, other: Box) -> bool:
    """Tell whether two boxes overlap."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
