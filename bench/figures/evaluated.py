"""What the figures of evaluations share: the run groups that have one, and its numbers over seeds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from bench.analysis import stats
from bench.analysis.cells import Cell, from_estimate, missing
from bench.analysis.run_groups import RunGroup
from bench.figures import style
from bench.figures.curves import overlay_label
from bench.figures.intervals import draw_interval
from bench.tables.evaluation_columns import UNMEASURED, evaluations_of

Measured = Mapping[str, Any]
PERCENT = (0.0, 100.0)
SEEDS = "Mean and 95 % t-interval over seeds, cut off at 0 and 100 % (n in brackets; no interval: one run)."


def evaluated_groups(run_groups: Sequence[RunGroup], evaluator: str, key: str) -> list[RunGroup]:
    """Return the run groups of which some run holds a key of an evaluation."""
    return [
        c for c in run_groups if any(record.evaluations.get(evaluator, {}).get(key) for record in c.evaluated_records)
    ]


def over_seeds(run_group: RunGroup, evaluator: str, find: Callable[[Measured], float | None]) -> Cell:
    """Return the mean, with its interval, of what `find` finds in the evaluations of a run group's runs."""
    found = {record.run_id: find(record.evaluations.get(evaluator) or {}) for record in run_group.evaluated_records}
    values = {run: value for run, value in found.items() if value is not None}
    if not values:
        return missing(UNMEASURED, evaluator)
    return from_estimate(stats.mean_interval(list(values.values())), list(values))


def measured_runs(run_group: RunGroup, evaluator: str) -> int:
    """Return how many of a run group's runs were evaluated."""
    return len(evaluations_of(run_group, evaluator))


def pages(run_groups: Sequence[RunGroup], most: int, name: str) -> Iterator[tuple[str, Sequence[RunGroup]]]:
    """Yield names of figures with the run groups that they show, at most so many each."""
    for number, first in enumerate(range(0, len(run_groups), most), start=1):
        yield (name if number == 1 else f"{name}_{number}"), run_groups[first : first + most]


def label_of(run_group: RunGroup, members: Sequence[RunGroup], evaluator: str) -> str:
    """Return a run group's label with the number of its evaluated runs, and what tells it from others of that label."""
    alike = [member for member in members if member.label == run_group.label]
    name, *more = overlay_label(run_group, alike).split("\n")
    return "\n".join([f"{name.rpartition(' [')[0]} [{measured_runs(run_group, evaluator)}]", *more])


def draw_line(
    panel: Axes, places: Sequence[float], cells: Sequence[Cell], colour: str, label: str, marker: str
) -> None:
    """Draw cells over their places as a line, each with its interval."""
    known = [(place, cell) for place, cell in zip(places, cells, strict=True) if cell.value is not None]
    panel.plot(
        [place for place, _ in known],
        [cell.value or 0.0 for _, cell in known],
        color=colour,
        marker=marker,
        markersize=5,
        linewidth=1.5,
        label=label,
    )
    for place, cell in known:
        draw_interval(panel, within(cell), place, PERCENT, colour, upright=True, width=1.2)


def within(cell: Cell) -> Cell:
    """Return a cell of a percentage whose interval ends at 0 and 100."""
    if cell.value is None or cell.low is None or cell.high is None:
        return cell
    return Cell(cell.value, None, cell.n, max(0.0, cell.low), min(100.0, cell.high), cell.runs, cell.why)


def data_line(members: Sequence[RunGroup]) -> str:
    """Return which data the run groups were evaluated on."""
    return "; ".join(dict.fromkeys(f"{c.recipe_fields['dataset']}, {c.recipe_fields['split']}" for c in members))


def looks(members: Sequence[RunGroup]) -> list[tuple[str, str]]:
    """Return a colour and a marker for each run group."""
    markers = ("o", "s", "^", "D", "v", "p", "X")
    return [(style.CYCLE[i % len(style.CYCLE)], markers[i % len(markers)]) for i in range(len(members))]
