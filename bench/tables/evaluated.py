"""The tables of what was measured on trained networks: each shows the quantities of the evaluators that name it."""

from collections.abc import Callable, Sequence
from functools import partial

from bench.analysis import stats
from bench.analysis.cells import Cell, Column, Phrase, Table, from_estimate, missing, words
from bench.analysis.metrics import HEADLINE, Quantity
from bench.analysis.run_groups import RunGroup
from bench.evaluate.registry import EVALUATORS, quantities_of
from bench.tables import measures as m
from bench.tables.comparison import ranked_table

MEANS = Phrase("Mean ± 95 % t-interval over n seeds, of the weights of the headline.")
SOURCE = Phrase("{}: {}")


def evaluation_table(name: str, title: Phrase) -> Callable[[Sequence[RunGroup], m.Options], Table]:
    """Return the builder of a table of evaluators' quantities, ranked by the first of them."""

    def build(run_groups: Sequence[RunGroup], options: m.Options) -> Table:
        """Return the table of some run groups."""
        quantities = quantities_of(name)
        evaluators = dict.fromkeys(evaluator for evaluator, _ in quantities)
        columns = [evaluation_column(*key, quantity) for key, quantity in quantities.items()]
        first = next(iter(quantities.values()))
        timed = [machine_column(evaluator) for evaluator in evaluators if EVALUATORS[evaluator].timed]
        return ranked_table(
            name,
            title,
            run_groups,
            options,
            (*m.find("rank", "model", "n", HEADLINE), *columns, *timed),
            by=columns[0].key,
            ascending=not first.higher_is_better,
            remarks=(MEANS, *(SOURCE._replace(values=(key, EVALUATORS[key].source)) for key in evaluators)),
        )

    return build


def has_evaluations(run_groups: Sequence[RunGroup], table: str) -> bool:
    """Tell whether a table of evaluators' quantities would show any."""
    return any(run_group.evaluated(".".join(key)) for run_group in run_groups for key in quantities_of(table))


def evaluation_column(evaluator: str, name: str, quantity: Quantity) -> Column:
    """Return the column of a quantity: its mean over the runs that were evaluated."""
    heading, timed = Phrase(quantity.heading, zh=quantity.translated_heading), EVALUATORS[evaluator].timed
    make = partial(evaluation_cell, evaluator=evaluator, name=name)
    return Column(name, heading, quantity.digits, "mean", make_cell=make, timed=timed)


def evaluation_cell(run_group: RunGroup, evaluator: str, name: str) -> Cell:
    """Return the mean of a quantity over runs; what different machines measured is not averaged where it is timed."""
    if EVALUATORS[evaluator].timed and len(machines(run_group, evaluator)) > 1:
        return missing("the runs were measured on several machines")
    found = run_group.evaluated(f"{evaluator}.{name}")
    if not found and any(evaluator in record.evaluations for record in run_group.records):
        return missing("'{}' was not recorded", name)
    if not found:
        return missing("not measured: python -m bench.evaluate RUN --what {}", evaluator)
    return from_estimate(stats.mean_interval(list(found.values())), list(found))


def machines(run_group: RunGroup, evaluator: str) -> list[str]:
    """Return on what a run group's runs were measured."""
    found = (record.evaluations.get(evaluator) for record in run_group.records)
    return list(dict.fromkeys(f"{item['machine']}, {item['precision']}" for item in found if item))


def machine_column(evaluator: str) -> Column:
    """Return the column that says on what a timed evaluator measured."""
    make = partial(machine_cell, evaluator=evaluator)
    return m.column("measured_on", "Measured on", "测量设备", kind="words", make_cell=make)


def machine_cell(run_group: RunGroup, evaluator: str) -> Cell:
    """Return on what a run group's runs were measured."""
    found = machines(run_group, evaluator)
    if len(found) > 1:
        return missing("the runs were measured on several machines")
    return words("{}", *found) if found else missing("not measured: python -m bench.evaluate RUN --what {}", evaluator)
