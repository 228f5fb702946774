"""A table for the terminal: columns of text, side by side."""

from collections.abc import Container, Sequence

from bench.util.markdown import display_width, pad_to


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Container[int]) -> list[str]:
    """Return a table as lines; the columns `right` are set to the right, the others to the left."""
    everything = [header, *rows]
    widths = [max(display_width(row[column]) for row in everything) for column in range(len(header))]
    return [
        "  ".join(
            pad_to(cell, width, column in right) for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in everything
    ]
