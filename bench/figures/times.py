"""time_to_accuracy: how many seconds of training each model took to each target."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.cells import Cell
from bench.analysis.run_groups import RunGroup, blocks_of
from bench.figures import style
from bench.figures.accuracy import ROW, Drawings
from bench.tables.notes import block_heading
from bench.tables.targets import COMPARED, TARGETS, group_cells, sort_value, target_column, was_reached

MARKERS = ("o", "s", "^", "D", "v", "p", "X", "*")
MEANS = "Mean train time to the first evaluation at a target, with its 95 % t-interval."
BOUNDS = "Open markers: a lower bound of it, where only some runs got there; the others count with their whole time."
COUNTED = "Start-up, evaluation and checkpoints are not counted. n in brackets. Recipes may differ."


def time_to_accuracy(run_groups: Sequence[RunGroup]) -> Drawings:
    """Return the train seconds to each target as points; a file for each data set, split and machine."""
    drawings = []
    for index, (values, members) in enumerate(blocks_of(run_groups, COMPARED).items(), start=1):
        figure = draw_times(values, members)
        name = "time_to_accuracy" if index == 1 else f"time_to_accuracy_{index}"
        drawings += [(name, figure)] if figure is not None else []
    return drawings


def draw_times(values: Sequence[str], members: Sequence[RunGroup]) -> Figure | None:
    """Draw one block: a row for each run group, a point for each target; None where no run reached any."""
    cells = {run_group.runs: group_cells(run_group, TARGETS) for run_group in members}
    reached = [t for t in TARGETS if any(was_reached(row[target_column(t).key]) for row in cells.values())]
    shown = [c for c in members if any(map(was_reached, cells[c.runs].values()))]
    if not shown:
        return None
    keys = [target_column(target).key for target in reversed(reached)]
    ordered = sorted(shown, key=lambda c: [sort_value(cells[c.runs][key]) for key in keys], reverse=True)
    figure = style.new_figure(max(style.SLIDE[1], ROW * len(ordered) + 1.6))
    panel = figure.subplots()
    for index, target in enumerate(reached):
        look = style.CYCLE[index % len(style.CYCLE)], MARKERS[index % len(MARKERS)]
        draw_target(panel, [cells[c.runs][target_column(target).key] for c in ordered], *look, f"{target:g} %")
    panel.set_yticks(range(len(ordered)), [label_of(c) for c in ordered], fontsize=style.SMALL)
    panel.set_ylim(-0.7, len(ordered) - 0.3)
    style.logarithmic(panel)
    panel.set_xlabel("Train seconds (logarithmic scale)")
    figure.legend(loc="outside right upper", frameon=False, title="Top-1 first seen")
    bounded = any(is_bound(cell) for c in ordered for cell in cells[c.runs].values())
    said = (MEANS, BOUNDS, COUNTED) if bounded else (MEANS, COUNTED)
    style.add_footer(figure, [block_heading(values, COMPARED).english(), *said])
    return figure


def label_of(run_group: RunGroup) -> str:
    """Return a row's label: one network may be there by several lengths of a recipe."""
    return f"{run_group.label}, {run_group.recipe_fields['steps']} steps [{len(run_group.runs)}]"


def is_bound(cell: Cell) -> bool:
    """Tell whether a cell is a lower bound of a time that some runs took."""
    return cell.value is None and was_reached(cell)


def draw_target(panel: Axes, cells: Sequence[Cell], colour: str, marker: str, label: str) -> None:
    """Draw the times of all rows to one target; lower bounds as open markers."""
    drawn = [(place, cell.value, cell) for place, cell in enumerate(cells) if cell.value is not None]
    for place, _, cell in drawn:
        if cell.low is not None and cell.high is not None and cell.low > 0:
            panel.plot([cell.low, cell.high], [place, place], color=colour, linewidth=2)
    times, places = [value for _, value, _ in drawn], [place for place, _, _ in drawn]
    panel.plot(times, places, marker=marker, color=colour, linestyle="none", markersize=7, label=label)
    bounds = [(place, cell.low) for place, cell in enumerate(cells) if cell.low is not None and is_bound(cell)]
    times, places = [low for _, low in bounds], [place for place, _ in bounds]
    panel.plot(times, places, marker=marker, color=colour, markerfacecolor="white", linestyle="none", markersize=7)
