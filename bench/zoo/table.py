"""The zoo as a table, for the terminal and for reports/zoo.md; it imports no torch."""

from collections.abc import Mapping, Sequence

from bench.util.markdown import code, markdown_table
from bench.util.text_table import text_table
from bench.zoo.counting.golden import Golden, same_networks
from bench.zoo.models import Model

HEADER = ("name", "family", "technique", "params", "MACs (M)", "FLOPs (M)", "activations (M)", "source")
TIME = "ms"
NUMERIC = frozenset(HEADER[3:7]) | {TIME}
CONVENTIONS = (
    "One 3×32×32 image, 100 classes, forward pass. MACs: convolutions, matrix products and linear layers, without "
    "biases; FLOPs = 2 × MACs. Activations: elements of those operations' outputs."
)


def source_of(name: str, row: Model, same: Sequence[Sequence[str]]) -> str:
    """Return a model's source, what it is a variant of, its note, and the names of the same network."""
    twins = [other for group in same if name in group for other in group if other != name]
    parts = [
        row.source,
        f"variant of {row.variant_of}" if row.variant_of else "",
        row.note,
        f"same network as {', '.join(twins)}" if twins else "",
    ]
    return "; ".join(part for part in parts if part)


def zoo_table(
    rows: Mapping[str, Model],
    figures: Mapping[str, Golden],
    known: Mapping[str, Golden],
    times: Mapping[str, float] | None = None,
) -> list[list[str]]:
    """Return the header and one row of text for every model with figures; with `times` (ms by name) one column more.

    `known` figures of models that are not shown serve to say which of them are the same network.
    """
    same = same_networks({**known, **figures})
    header = [*HEADER[:-1], *([TIME] if times else []), HEADER[-1]]
    table = [header]
    for name, cost in figures.items():
        row = rows[name]
        millions = [f"{value / 1e6:,.2f}" for value in (cost.macs, cost.flops, cost.activations)]
        timed = [f"{times[name]:,.0f}"] if times else []
        table.append(
            [name, row.family, row.technique, f"{cost.params:,}", *millions, *timed, source_of(name, row, same)]
        )
    return table


def as_text(table: Sequence[Sequence[str]]) -> str:
    """Return a table in columns, numbers to the right."""
    return "\n".join(text_table(table[0], table[1:], numeric_columns(table[0])))


def as_markdown(table: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, names as code, numbers to the right."""
    return markdown_table(table[0], [[code(line[0]), *line[1:]] for line in table[1:]], numeric_columns(table[0]))


def numeric_columns(header: Sequence[str]) -> list[int]:
    """Return the columns that hold numbers."""
    return [column for column, label in enumerate(header) if label in NUMERIC]
