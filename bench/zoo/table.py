"""The zoo as a table, for the terminal and for the README; it imports no torch."""

from collections.abc import Mapping, Sequence

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
    """Return a model's source, its note, and the names under which the same network also goes."""
    twins = [other for group in same if name in group for other in group if other != name]
    parts = [row.source, row.note, f"same network as {', '.join(twins)}" if twins else ""]
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
    header = table[0]
    widths = [max(len(line[column]) for line in table) for column in range(len(header))]
    lines = []
    for line in table:
        cells = [
            cell.rjust(width) if label in NUMERIC else cell.ljust(width)
            for cell, width, label in zip(line, widths, header, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def as_markdown(table: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, names as code, numbers to the right."""
    header = table[0]
    rule = ["---:" if label in NUMERIC else "---" for label in header]
    body = [[f"`{line[0]}`", *line[1:]] for line in table[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *body])
