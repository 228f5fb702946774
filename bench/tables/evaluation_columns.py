"""The columns of what `python -m bench.evaluate` measured on trained networks: means of its quantities over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from bench.analysis import stats
from bench.analysis.cells import Cell, Column, Phrase, from_estimate, joined, missing, words
from bench.analysis.metrics import Quantity
from bench.analysis.run_groups import RunGroup
from bench.evaluate.registry import EVALUATORS
from bench.tables import measures as m

UNMEASURED = "not measured: python -m bench.evaluate RUN --what {}"
SEVERAL_WAYS = "the runs were measured on several numbers of images, or by several versions"
ANOTHER = Phrase(
    "evaluated: the same recipe and seeds, trained another time ({})", zh="评估对象为相同方案与种子的另一次训练 ({})"
)


def recorded_columns(run_groups: Sequence[RunGroup]) -> tuple[Column, ...]:
    """Return the columns, too many for a paper, of the quantities that were measured on some run's network."""
    return tuple(
        evaluation_column(evaluator, name, quantity, wide=True)
        for evaluator, row in EVALUATORS.items()
        for name, quantity in row.quantities.items()
        if any(run_group.evaluated(f"{evaluator}.{name}") for run_group in run_groups)
    )


def evaluation_column(evaluator: str, name: str, quantity: Quantity, *, wide: bool = False) -> Column:
    """Return the column of a quantity: its mean over the runs that were evaluated."""
    heading, timed = Phrase(quantity.heading, zh=quantity.translated_heading), EVALUATORS[evaluator].timed
    make = partial(evaluation_cell, evaluator=evaluator, name=name)
    return Column(name, heading, quantity.digits, "mean", wide, make_cell=make, timed=timed)


def evaluation_cell(run_group: RunGroup, evaluator: str, name: str) -> Cell:
    """Return the mean of a quantity over runs; what different machines measured is not averaged where it is timed."""
    if EVALUATORS[evaluator].timed and len(machines(run_group, evaluator)) > 1:
        return missing("the runs were measured on several machines")
    found = run_group.evaluated(f"{evaluator}.{name}")
    evaluations = evaluations_of(run_group, evaluator)
    if not found and evaluations:
        return missing("'{}' was not recorded", name)
    if not found:
        return missing(UNMEASURED, evaluator)
    if len({(measured.get("images"), measured.get("version")) for measured in evaluations}) > 1:
        return missing(SEVERAL_WAYS)
    cell = from_estimate(stats.mean_interval(list(found.values())), list(found))
    elsewhere = [run for run in found if run not in run_group.runs]
    notes = [*([cell.why] if cell.why else []), ANOTHER._replace(values=(", ".join(elsewhere),))]
    return replace(cell, why=joined(notes)) if elsewhere else cell


def evaluations_of(run_group: RunGroup, evaluator: str) -> list[Mapping[str, Any]]:
    """Return what an evaluator measured on a run group's networks."""
    return [record.evaluations[evaluator] for record in run_group.evaluated_records if evaluator in record.evaluations]


def machines(run_group: RunGroup, evaluator: str) -> list[str]:
    """Return on what a run group's runs were measured."""
    found = evaluations_of(run_group, evaluator)
    return list(dict.fromkeys(f"{item.get('machine')}, {item.get('precision')}" for item in found))


def machine_column(evaluator: str) -> Column:
    """Return the column that says on what a timed evaluator measured."""
    make = partial(machine_cell, evaluator=evaluator)
    return m.column("measured_on", "Measured on", "测量设备", kind="words", make_cell=make)


def machine_cell(run_group: RunGroup, evaluator: str) -> Cell:
    """Return on what a run group's runs were measured."""
    found = machines(run_group, evaluator)
    if len(found) > 1:
        return missing("the runs were measured on several machines")
    return words("{}", *found) if found else missing(UNMEASURED, evaluator)
