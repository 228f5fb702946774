"""The tables of what was measured on trained networks: each shows the quantities of the evaluators that name it."""

from collections.abc import Callable, Sequence

from bench.analysis.cells import Phrase, Table
from bench.analysis.metrics import HEADLINE
from bench.analysis.run_groups import RunGroup
from bench.evaluate.registry import EVALUATORS, quantities_of
from bench.tables import measures as m
from bench.tables.comparison import ranked_table
from bench.tables.evaluation_columns import evaluation_column, machine_column

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
