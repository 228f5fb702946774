"""The tables of what was measured on trained networks: each shows the quantities of the evaluators that name it."""

from collections.abc import Callable, Sequence

from bench.analysis.cells import Phrase, Table
from bench.analysis.metrics import HEADLINE, Quantity
from bench.analysis.run_groups import RunGroup
from bench.evaluate.registry import EVALUATORS, quantities_of
from bench.tables import measures as m
from bench.tables.comparison import block_items, ranked_table
from bench.tables.evaluation_columns import evaluation_column, machine_column

MEANS = Phrase("Mean ± 95 % t-interval over n seeds, of the weights of the headline.")
SOURCE = Phrase("{}: {}")
ABSENT = Phrase("Not evaluated, nor comparable with what was: {}")


def evaluation_table(name: str, title: Phrase) -> Callable[[Sequence[RunGroup], m.Options], Table]:
    """Return the builder of a table of evaluators' quantities, ranked by the first of them."""

    def build(run_groups: Sequence[RunGroup], options: m.Options) -> Table:
        """Return the table of some run groups, without the blocks of which nothing was measured."""
        shown, absent = measured_blocks(run_groups, name, options)
        quantities = shown_quantities(shown, name)
        evaluators = dict.fromkeys(evaluator for evaluator, _ in quantities)
        columns = [evaluation_column(*key, quantity) for key, quantity in quantities.items()]
        first = next(iter(quantities.values()))
        timed = [machine_column(evaluator) for evaluator in evaluators if EVALUATORS[evaluator].timed]
        return ranked_table(
            name,
            title,
            shown,
            options,
            (*m.find("rank", "model", "n", HEADLINE), *columns, *timed),
            by=columns[0].key,
            ascending=not first.higher_is_better,
            remarks=(
                MEANS,
                *(SOURCE._replace(values=(key, EVALUATORS[key].source)) for key in evaluators),
                *([ABSENT._replace(values=(", ".join(absent),))] if absent else []),
            ),
        )

    return build


def measured_blocks(run_groups: Sequence[RunGroup], table: str, options: m.Options) -> tuple[list[RunGroup], list[str]]:
    """Return the run groups of the blocks of which something was measured, and the labels of the others.

    Where nothing was measured at all, they are all returned: their gaps say how it is.
    """
    blocks = [members for _, members in block_items(run_groups, options)]
    measured = [members for members in blocks if has_evaluations(members, table)] or blocks
    shown = {run_group.runs for members in measured for run_group in members}
    return [c for c in run_groups if c.runs in shown], [c.label for c in run_groups if c.runs not in shown]


def shown_quantities(run_groups: Sequence[RunGroup], table: str) -> dict[tuple[str, str], Quantity]:
    """Return the quantities of a table without those that an evaluator leaves out for every run that it measured."""
    done = {evaluator for c in run_groups for record in c.records for evaluator in record.evaluations}
    return {
        key: quantity
        for key, quantity in quantities_of(table).items()
        if key[0] not in done or any(run_group.evaluated(".".join(key)) for run_group in run_groups)
    }


def has_evaluations(run_groups: Sequence[RunGroup], table: str) -> bool:
    """Tell whether a table of evaluators' quantities would show any."""
    return any(run_group.evaluated(".".join(key)) for run_group in run_groups for key in quantities_of(table))
