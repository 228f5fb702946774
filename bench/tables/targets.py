"""The time-to-accuracy table: how long training took to reach an accuracy for the first time."""

from collections.abc import Sequence
from functools import partial

from bench.analysis import stats
from bench.analysis.cells import (
    SEVERAL_MACHINES,
    Block,
    Cell,
    Column,
    Phrase,
    Row,
    Table,
    from_estimate,
    missing,
    on_several_machines,
)
from bench.analysis.metrics import HEADLINE
from bench.analysis.recipe import START
from bench.analysis.run_groups import RunGroup, blocks_of, common_recipe
from bench.records import EPOCHS, RunRecord, scan_targets
from bench.tables import measures as m
from bench.tables import notes
from bench.tables.comparison import CLOCK
from bench.util.dotted import number_at

TARGETS = (40.0, 50.0, 55.0, 60.0, 65.0, 70.0, 75.0, 80.0, 90.0)
# Times are compared on one machine and one split; the recipes may differ, since the fastest one is what is sought.
COMPARED = ("dataset", "split", "machine", START)
# What a heading or a column of its own tells.
SHOWN = (*COMPARED, "steps")
NAMED, SCORED = m.find("model", "steps", "n"), m.find("training_pflop", HEADLINE)
SOME = "reached by {} of {} runs; the others count with their whole time, so the mean is a lower bound"
ALL = Phrase("Train seconds until an evaluation first showed the target top-1, and training PFLOP of the whole run.")


def first_times(record: RunRecord, targets: Sequence[float]) -> list[float | None]:
    """Return the seconds of training after which a run was first seen at each ascending target; None for never."""
    if not record.local or "epochs" in record.__dict__ or not (record.path / EPOCHS).is_file():
        return first_times_of_rows([(row[f"eval_{HEADLINE}"], row["train_seconds"]) for row in record.epochs], targets)
    return scan_targets(record.path / EPOCHS, targets)


def first_times_of_rows(rows: Sequence[tuple[float | None, float]], targets: Sequence[float]) -> list[float | None]:
    """Return the first time at which each target was reached among rows of (accuracy, seconds)."""
    return [
        next((seconds for accuracy, seconds in rows if accuracy is not None and accuracy >= target), None)
        for target in targets
    ]


def target_column(target: float) -> Column:
    """Return the column of a target."""
    heading = Phrase("{} % (s)", (f"{target:g}",), zh="达到 {} % (秒)")
    return Column(f"seconds_to_{target:g}", heading, 1, "mean", timed=True)


def target_cell(run_group: RunGroup, times: Sequence[float | None]) -> Cell:
    """Return the mean time of a run group's runs to one target, or a lower bound of it where not all got there."""
    if on_several_machines([run_group]):
        return SEVERAL_MACHINES
    reached = [time for time in times if time is not None]
    if len(reached) < len(times):
        last = (number_at(record.epochs[-1], "train_seconds") for record in run_group.records if record.epochs)
        spent = [seconds for seconds in last if seconds is not None]
        if len(spent) < len(times):
            return missing("no evaluations over time were recorded")
        bound = sum(whole if time is None else time for time, whole in zip(times, spent, strict=True)) / len(times)
        return Cell(low=bound, runs=run_group.runs, why=Phrase(SOME, (len(reached), len(times))))
    return from_estimate(stats.mean_interval(reached), run_group.runs)


def group_cells(run_group: RunGroup, targets: Sequence[float]) -> dict[str, Cell]:
    """Return the cells of a run group at each target."""
    by_run = [first_times(record, targets) for record in run_group.records]
    by_target = [[times[index] for times in by_run] for index in range(len(targets))]
    return {
        target_column(target).key: m.where_alone(partial(target_cell, times=times))(run_group)
        for target, times in zip(targets, by_target, strict=True)
    }


def was_reached(cell: Cell) -> bool:
    """Tell whether at least one run of a run group reached the target of a cell."""
    return cell.value is not None or (cell.low is not None and cell.why is not None and cell.why.values[0] != 0)


def time_to_accuracy(run_groups: Sequence[RunGroup], options: m.Options) -> Table:
    """Return the train time to each target that some run reached; the soonest at the highest target first.

    Times that all runs of a row took come before lower bounds, and these before rows of which no run got there.
    """
    cells = {run_group.runs: group_cells(run_group, TARGETS) for run_group in run_groups}
    reached = [
        target for target in TARGETS if any(was_reached(row[target_column(target).key]) for row in cells.values())
    ]
    keys = [target_column(target).key for target in reversed(reached)]
    common = common_recipe(run_groups)
    blocks = []
    for values, members in blocks_of(run_groups, COMPARED).items():
        ordered = sorted(members, key=lambda c: (*(sort_value(cells[c.runs][key]) for key in keys), c.label))
        rows = [
            Row(
                {**m.measure(c, (*NAMED, *SCORED)), **{key: cells[c.runs][key] for key in keys}},
                (*notes.recipe_notes(c, common, SHOWN), *notes.change_notes([c])),
            )
            for c in ordered
        ]
        blocks.append(Block(notes.block_heading(values, COMPARED), rows))
    columns = (*NAMED, *(target_column(target) for target in reached), *SCORED)
    below = (ALL, CLOCK, notes.recipe_line(common, SHOWN))
    return Table("time_to_accuracy", Phrase("Time to accuracy", zh="达到目标准确率的时间"), columns, blocks, below)


def sort_value(cell: Cell) -> tuple[int, float]:
    """Return what sorts times: those of all runs, then bounds where some runs got there, then all others alike."""
    if cell.value is not None:
        return 0, cell.value
    return (1, cell.low) if cell.low is not None and was_reached(cell) else (2, 0.0)
