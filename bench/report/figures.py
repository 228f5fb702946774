"""The page's figures: which points and curves are drawn, and what is written below them."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.analysis.cells import Block, Cell, Column, Row, Table
from bench.analysis.curves import curve_of
from bench.analysis.metrics import HEADLINE
from bench.analysis.recipe import RANKED_TOGETHER
from bench.analysis.run_groups import RunGroup
from bench.figures import style
from bench.figures.accuracy import technique_of
from bench.figures.forest import VERDICTS, p_text
from bench.figures.times import MARKERS
from bench.report.contents import Contents, told_apart
from bench.report.drawing import canvas
from bench.report.drawing.curves import Line, draw_curves
from bench.report.drawing.rows import Mark, RowOfMarks, draw_rows
from bench.report.drawing.scatter import Point, Seed, scatter
from bench.report.overview import row_name, verdict_of
from bench.tables import measures as m
from bench.tables import notes
from bench.tables import targets as times
from bench.tables.contrasts import compared
from bench.tables.page import format_cell
from bench.util.dotted import number_at

# Column of a cost → where a run's result holds it, and the factor to the column's unit.
COSTS: dict[str, tuple[str, float]] = {
    "params_m": ("model.params", m.MILLION),
    "macs_m": ("model.macs", m.MILLION),
    "training_pflop": ("training.flops", m.PETA),
    "train_h": ("seconds.train", m.HOUR),
}
SCORE = m.metric_column(HEADLINE).heading
SCALES = {"log": True, "linear": False}
# The runs of a row → its name.
Names = Mapping[tuple[str, ...], str]


def figure_data(contents: Contents) -> dict[str, Any]:
    """Return all figures as the template shows them."""
    return {
        "costs": [
            {"key": key, "heading": contents.say(m.COLUMNS[key].heading), "scales": list(SCALES)} for key in COSTS
        ],
        "scatters": scatters(contents),
        "curves": technique_curves(contents),
        "overlays": overlays(contents),
        "forests": forests(contents),
        "times": time_figures(contents),
    }


def heading_of(contents: Contents, members: Sequence[RunGroup], fields: Sequence[str]) -> str:
    """Return what the rows of a figure have in common."""
    return contents.say(notes.block_heading([members[0].recipe_fields[name] for name in fields], fields))


def scatters(contents: Contents) -> list[dict[str, Any]]:
    """Return, for each block of several rows, accuracy against each cost, on a logarithmic and on a linear axis."""
    found = []
    blocks = list(contents.blocks(RANKED_TOGETHER).values())
    for members in [block for block in blocks if len(block) > 1] or blocks:
        views = []
        for key in COSTS:
            points = cost_points(contents, members, key)
            drawn, names = {point.group for point in points}, told_apart(members)
            absent = [names[c.runs] for c in members if contents.numbers[c.runs] not in drawn]
            views += [view(contents, points, key, scale, absent) for scale in SCALES]
        techniques = style.known_order(technique_of(run_group) for run_group in members)
        found.append(
            {"heading": heading_of(contents, members, RANKED_TOGETHER), "views": views, "techniques": techniques}
        )
    return found


def view(contents: Contents, points: Sequence[Point], key: str, scale: str, absent: Sequence[str]) -> dict[str, Any]:
    """Return one view of a block: accuracy against one cost on one kind of axis; no drawing where no row has it."""
    heading = contents.say(m.COLUMNS[key].heading)
    title = contents.say("{} against {}", contents.say(SCORE), heading)
    return {
        "key": key,
        "scale": scale,
        "absent": ", ".join(absent),
        "svg": scatter(points, title, heading, contents.say(SCORE), log=SCALES[scale]) if points else "",
    }


def cost_points(contents: Contents, members: Sequence[RunGroup], key: str) -> list[Point]:
    """Return the rows that have an accuracy and a positive cost as points."""
    points, names = [], told_apart(members)
    for run_group in members:
        cost, score = m.cell(run_group, key), m.cell(run_group, HEADLINE)
        if cost.value is not None and cost.value > 0 and score.value is not None:
            number, technique = contents.numbers[run_group.runs], technique_of(run_group)
            seeds = seed_points(contents, run_group, key)
            points.append(Point(number, names[run_group.runs], technique, cost.value, score, seeds))
    return points


def seed_points(contents: Contents, run_group: RunGroup, key: str) -> tuple[Seed, ...]:
    """Return the runs of a row as points."""
    path, unit = COSTS[key]
    seeds = []
    for record in run_group.records:
        cost, score = number_at(record.result or {}, path), number_at(record.result or {}, HEADLINE)
        if cost and score is not None:
            seeds.append(Seed(contents.run_numbers[record.run_id], record.run_id, cost * unit, score))
    return tuple(seeds)


def curve_lines(contents: Contents, members: Sequence[RunGroup], names: Names) -> list[Line]:
    """Return the evaluation's headline over the epochs of the rows that recorded it more than once."""
    lines = [
        Line(
            contents.numbers[run_group.runs],
            names[run_group.runs],
            curve_of([record.epochs for record in run_group.records], f"eval_{HEADLINE}"),
        )
        for run_group in members
    ]
    return [line for line in lines if len(line.curve.epochs) > 1]


def technique_curves(contents: Contents) -> list[dict[str, Any]]:
    """Return the training curves of each block, a figure for each technique."""
    found = []
    for members in contents.blocks(RANKED_TOGETHER).values():
        names = told_apart(members)
        for technique in style.known_order(technique_of(run_group) for run_group in members):
            lines = curve_lines(contents, [c for c in members if technique_of(c) == technique], names)
            heading = contents.say(style.technique_title(technique))
            title = contents.say("Training curves: {}", heading)
            if lines:
                svg = draw_curves(lines, title, contents.say("Epoch"), contents.say(SCORE))
                found.append({"title": title, "heading": heading_of(contents, members, RANKED_TOGETHER), "svg": svg})
    return found


def overlays(contents: Contents) -> list[dict[str, Any]]:
    """Return, for each data set and split, the curves of all rows, of which the comparison shows those chosen."""
    found = []
    for members in contents.blocks(("dataset", "split")).values():
        lines = curve_lines(contents, members, told_apart(contents.run_groups))
        if lines:
            svg = draw_curves(
                lines, contents.say("Training curves compared"), contents.say("Epoch"), contents.say(SCORE), key=False
            )
            found.append({"heading": heading_of(contents, members, ("dataset", "split")), "svg": svg})
    return found


def forests(contents: Contents) -> list[dict[str, Any]]:
    """Return the forest plot of each block of each ablation."""
    return [
        forest(contents, table, block)
        for table in contents.ablation_tables
        for block in table.blocks
        if any(compared(row) for row in block.rows)
    ]


def forest(contents: Contents, table: Table, block: Block) -> dict[str, Any]:
    """Return the forest plot of one block: a row for each arm, its verdict beside it."""
    title = contents.say(table.title)
    heading = contents.say(block.heading) if block.heading else ""
    rows = [arm_row(contents, row) for row in block.rows if compared(row)]
    svg = draw_rows(rows, title, contents.say("Difference from the base in top-1 (points)"), zero=True)
    return {"title": title, "heading": heading, "svg": svg, "note": contents.say(block.test) if block.test else ""}


def arm_row(contents: Contents, row: Row) -> RowOfMarks:
    """Return an arm as a row of a forest plot."""
    name, verdict = row_name(contents, row), verdict_of(row)
    colour = f"v{list(VERDICTS).index(verdict)}"
    words = f"{contents.say(verdict)}{p_text(row)}"
    return RowOfMarks(name, [Mark(row.cells["delta"], VERDICTS[verdict][1], colour, f"{name}: {words}")], words)


def time_figures(contents: Contents) -> list[dict[str, Any]]:
    """Return the train seconds to each target, a figure for each data set, split and machine where any was reached."""
    found = (time_figure(contents, members) for members in contents.blocks(times.COMPARED).values())
    return [figure for figure in found if figure is not None]


def time_figure(contents: Contents, members: Sequence[RunGroup]) -> dict[str, Any] | None:
    """Return one such figure: a row for each run group, a point for each target that some of its runs reached."""
    cells = {run_group.runs: times.group_cells(run_group, times.TARGETS) for run_group in members}
    columns = [times.target_column(target) for target in times.TARGETS]
    reached = [c for c in columns if any(times.was_reached(row[c.key]) for row in cells.values())]
    looks = {c.key: (MARKERS[i % len(MARKERS)], f"c{i % len(style.CYCLE)}") for i, c in enumerate(reached)}
    rows = [
        RowOfMarks(contents.name(run_group), time_marks(contents, run_group, cells[run_group.runs], reached, looks))
        for run_group in members
    ]
    rows = [row for row in rows if row.marks]
    if not rows:
        return None
    title = contents.say("Train seconds to a top-1 accuracy")
    return {
        "title": title,
        "heading": heading_of(contents, members, times.COMPARED),
        "key": [
            {"shape": canvas.MARKERS[looks[c.key][0]], "colour": looks[c.key][1], "words": f"{c.heading.values[0]} %"}
            for c in reached
        ],
        "svg": draw_rows(rows, title, contents.say("Train seconds (logarithmic scale)"), log=True),
    }


def time_marks(
    contents: Contents,
    run_group: RunGroup,
    cells: Mapping[str, Cell],
    reached: Sequence[Column],
    looks: Mapping[str, tuple[str, str]],
) -> list[Mark]:
    """Return a run group's times as points, lower bounds among them."""
    marks = []
    for column in reached:
        cell = cells[column.key]
        if times.was_reached(cell):
            text = f"{contents.say(column.heading)}: {format_cell(cell, column, contents.language)}"
            marks.append(Mark(cell, *looks[column.key], f"{contents.name(run_group)}: {text}"))
    return marks
