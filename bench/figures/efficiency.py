"""efficiency_analysis: accuracy against parameters, MACs and train time, with the Pareto fronts."""

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.metrics import HEADLINE, METRICS
from bench.analysis.pareto import pareto_front
from bench.analysis.run_groups import RunGroup, blocks_of
from bench.figures import style
from bench.figures.accuracy import Drawings, technique_handles, technique_of
from bench.figures.intervals import Limits, cut_note, draw_interval, view_limits
from bench.figures.labels import Point, place_labels
from bench.tables.measures import cell
from bench.tables.notes import block_heading

Labelled = tuple[Point, str]
COSTS = {"params_m": "Params (M)", "macs_m": "MACs (M), 1 MAC = 2 FLOPs", "train_h": "Train (h)"}
LABEL, NAME_ROOM = 10, 0.04
FRONT = "Line and names: Pareto front, where no other model here is as accurate at a lower cost. Costs are logarithmic."
MEANS = "Mean over seeds with the 95 % t-interval of top-1. Last epoch on the evaluation split."


def efficiency_analysis(run_groups: Sequence[RunGroup]) -> Drawings:
    """Return accuracy against each cost with its Pareto front; a file for each block of comparable recipes.

    A block of one row has no front, and is drawn only where there is no other.
    """
    drawings = []
    scored = [run_group for run_group in run_groups if cell(run_group, HEADLINE).value is not None]
    blocks = blocks_of(scored)
    several = {values: members for values, members in blocks.items() if len(members) > 1}
    for index, (values, members) in enumerate((several or blocks).items(), start=1):
        name = "efficiency_analysis" if index == 1 else f"efficiency_analysis_{index}"
        drawings.append((name, draw_costs(values, members)))
    return drawings


def draw_costs(values: Sequence[str], members: Sequence[RunGroup]) -> Figure:
    """Draw one block: a panel for each cost that some row has."""
    figure = style.new_figure()
    costs = {key: title for key, title in COSTS.items() if any(cell(c, key).value is not None for c in members)}
    axes = figure.subplots(1, len(costs), sharey=True, squeeze=False)[0]
    scores = [cell(run_group, HEADLINE) for run_group in members]
    limits = view_limits(scores)
    fronts = []
    for panel, (key, title) in zip(axes, costs.items(), strict=True):
        fronts.append(draw_cost(panel, members, key, limits))
        panel.set_xlabel(title)
        panel.margins(x=0.12)
        style.logarithmic(panel)
    axes[0].set_ylabel(METRICS[HEADLINE].heading)
    # Room below the lowest point for its name.
    axes[0].set_ylim(limits[0] - NAME_ROOM * (limits[1] - limits[0]), limits[1])
    handles = technique_handles({technique_of(run_group) for run_group in members})
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    style.add_footer(figure, [block_heading(values).english(), FRONT, MEANS + cut_note(scores, limits)])
    figure.draw_without_rendering()
    for panel, (front, others) in zip(axes, fronts, strict=True):
        place_labels(panel, front, others, step_corners([point for point, _ in front]), LABEL)
    return figure


def step_corners(points: Sequence[Point]) -> list[Point]:
    """Return the corners of a front's line, from left to right: level to the next cost, then up."""
    corners = list(points[:1])
    for (_, before), (cost, score) in pairwise(points):
        corners += [(cost, before), (cost, score)]
    return corners


def draw_cost(panel: Axes, members: Sequence[RunGroup], key: str, limits: Limits) -> tuple[list[Labelled], list[Point]]:
    """Draw one panel and return the points on the front with their labels, and the others."""
    front: list[Labelled] = []
    others: list[Point] = []
    cells = [(run_group, cell(run_group, key), cell(run_group, HEADLINE)) for run_group in members]
    on_front = pareto_front([cost.value for _, cost, _ in cells], [score.value for _, _, score in cells])
    for (run_group, cost, score), best in zip(cells, on_front, strict=True):
        if cost.value is None or score.value is None:
            continue
        colour, marker = style.technique_style(technique_of(run_group))
        draw_interval(panel, score, cost.value, limits, colour, upright=True, width=1.4)
        panel.plot(
            [cost.value], [score.value], marker=marker, color=colour, markersize=9, markeredgecolor="white", zorder=3
        )
        point = (cost.value, score.value)
        if best:
            front.append((point, run_group.label))
        else:
            others.append(point)
    front.sort()
    if front:
        corners = step_corners([point for point, _ in front])
        panel.plot(*zip(*corners, strict=True), color=style.GREY, linewidth=1.2, zorder=1)
    return front, others
