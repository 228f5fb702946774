"""The tables of what was measured on trained networks: each shows the quantities of the evaluators that name it."""

from collections.abc import Callable, Sequence

from bench.analysis.cells import Phrase, Table
from bench.analysis.metrics import HEADLINE, Quantity
from bench.analysis.run_groups import RunGroup
from bench.evaluate.registry import EVALUATORS, quantities_of
from bench.tables import measures as m
from bench.tables.comparison import block_items, ranked_table
from bench.tables.evaluation_columns import evaluation_column, evaluations_of, machine_column

MEANS = Phrase("Mean ± 95 % t-interval over n seeds, of the weights of the headline.")
SOURCE, SAMPLED = Phrase("{}: {}"), Phrase("{}: {} images, chosen by key; {}", zh="{}：{} 张按键选取的图像；{}")
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
                *(source_note(key, shown) for key in evaluators),
                *([ABSENT._replace(values=(", ".join(absent),))] if absent else []),
            ),
        )

    return build


def measured_blocks(run_groups: Sequence[RunGroup], table: str, options: m.Options) -> tuple[list[RunGroup], list[str]]:
    """Return the run groups of the blocks of which something was measured, and the labels and steps of the others.

    Where nothing was measured at all, they are all returned: their gaps say how it is.
    """
    blocks = [members for _, members in block_items(run_groups, options)]
    measured = [members for members in blocks if has_evaluations(members, table)] or blocks
    shown = {run_group.runs for members in measured for run_group in members}
    absent = [f"{c.label} ({c.recipe_fields['steps']})" for c in run_groups if c.runs not in shown]
    return [c for c in run_groups if c.runs in shown], absent


def source_note(evaluator: str, run_groups: Sequence[RunGroup]) -> Phrase:
    """Return where an evaluator is published, and on how many images it measured, where it does not take them all."""
    row = EVALUATORS[evaluator]
    found = (item.get("images") for run_group in run_groups for item in evaluations_of(run_group, evaluator))
    counts = sorted({count for count in found if count is not None})
    if row.images is None or not counts:
        return SOURCE._replace(values=(evaluator, row.source))
    return SAMPLED._replace(values=(evaluator, " / ".join(f"{count:,}" for count in counts), row.source))


def shown_quantities(run_groups: Sequence[RunGroup], table: str) -> dict[tuple[str, str], Quantity]:
    """Return the quantities of a table without those that an evaluator leaves out for every run that it measured.

    Where that leaves none, they are all returned: their gaps say how it is.
    """
    done = {evaluator for c in run_groups for record in c.evaluated_records for evaluator in record.evaluations}
    every = quantities_of(table)
    measured = {
        key: quantity
        for key, quantity in every.items()
        if key[0] not in done or any(run_group.evaluated(".".join(key)) for run_group in run_groups)
    }
    return measured or every


def has_evaluations(run_groups: Sequence[RunGroup], table: str) -> bool:
    """Tell whether a table of evaluators' quantities would show any."""
    return any(run_group.evaluated(".".join(key)) for run_group in run_groups for key in quantities_of(table))
