"""frontier: accuracy against the compute that training took, a line for each network, and the Pareto front of all."""

from collections import defaultdict
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.metrics import HEADLINE, METRICS
from bench.analysis.run_groups import RunGroup, blocks_of
from bench.figures import style
from bench.figures.accuracy import Drawings, technique_handles, technique_of
from bench.figures.efficiency import LABEL, MEANS, draw_cost, step_corners
from bench.figures.intervals import cut_note, view_limits
from bench.figures.labels import place_labels
from bench.tables.measures import cell
from bench.tables.notes import block_heading

COST = "training_pflop"
# What points on one figure have in common; recipes and lengths differ, which is the point of it.
COMPARED = ("dataset", "split")
FRONT = (
    "Line and names: the Pareto front, what to train at each amount of compute. Dotted: a network by its best recipe."
)
COMPUTE = "Training compute is the sum over a run's steps, on a logarithmic scale. Recipes differ."


def frontier(run_groups: Sequence[RunGroup]) -> Drawings:
    """Return accuracy against training compute; a file for each data set and split."""
    drawings = []
    known = [g for g in run_groups if cell(g, HEADLINE).value is not None and cell(g, COST).value is not None]
    for index, (values, members) in enumerate(blocks_of(known, COMPARED).items(), start=1):
        drawings.append(("frontier" if index == 1 else f"frontier_{index}", draw_frontier(values, members)))
    return drawings


def draw_frontier(values: Sequence[str], members: Sequence[RunGroup]) -> Figure:
    """Draw one block."""
    figure = style.new_figure()
    panel = figure.subplots()
    scores = [cell(run_group, HEADLINE) for run_group in members]
    limits = view_limits(scores)
    front, others = draw_cost(panel, members, COST, limits)
    draw_networks(panel, members)
    panel.set_xlabel("Training PFLOP (3 forward passes an image unless the recipe counts otherwise)")
    panel.set_ylabel(METRICS[HEADLINE].heading)
    panel.set_ylim(limits)
    panel.margins(x=0.08)
    style.logarithmic(panel)
    handles = technique_handles({technique_of(run_group) for run_group in members})
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    lines = [block_heading(values, COMPARED).english(), FRONT, f"{COMPUTE} {MEANS}{cut_note(scores, limits)}"]
    style.add_footer(figure, lines)
    figure.draw_without_rendering()
    place_labels(panel, front, others, step_corners([point for point, _ in front]), LABEL)
    return figure


def draw_networks(panel: Axes, members: Sequence[RunGroup]) -> None:
    """Join the points of each network that was trained for several amounts of compute, the best one at each."""
    best: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    colours = {run_group.label: style.technique_style(technique_of(run_group))[0] for run_group in members}
    for run_group in members:
        cost, score = cell(run_group, COST).value, cell(run_group, HEADLINE).value
        if cost is not None and score is not None:
            points = best[run_group.label]
            points[f"{cost:.2g}"] = max((score, cost), points.get(f"{cost:.2g}", (score, cost)))
    for label, points in best.items():
        scores, costs = zip(*sorted(points.values(), key=lambda point: point[1]), strict=True)
        panel.plot(costs, scores, color=colours[label], linewidth=1.0, linestyle=":", zorder=2)
