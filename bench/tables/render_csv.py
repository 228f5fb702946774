"""CSV tables: every number in full, its interval, and the ids of the runs behind the row."""

from typing import Any

from bench.analysis.cells import Block, Cell, Column, Row, Table
from bench.tables.text import say

WITH_INTERVAL = ("mean", "interval", "difference", "rank")
WHOLE = ("rank", "rank_low", "rank_high", "n")


def cell_values(cell: Cell | None, column: Column, language: str) -> dict[str, Any]:
    """Return a cell as the values of its columns in a CSV file; what is missing stays empty."""
    if cell is not None and cell.text is not None:
        return {column.key: say(cell.text, language)}
    values = {column.key: cell.value if cell else None}
    if column.kind in WITH_INTERVAL:
        values |= {f"{column.key}_low": cell.low if cell else None, f"{column.key}_high": cell.high if cell else None}
    return values


def row_values(row: Row, block: Block, table: Table, language: str) -> dict[str, Any]:
    """Return a row as the values of a CSV line: cells, footnotes, reasons for gaps, runs."""
    values: dict[str, Any] = {"block": say(block.heading, language) if block.heading else ""}
    for column in table.columns:
        values |= cell_values(row.cells.get(column.key), column, language)
    values["notes"] = "; ".join([*(say(note, language) for note in row.notes), *reasons(row, language)])
    values["runs"] = " ".join(dict.fromkeys(run for cell in row.cells.values() for run in cell.runs))
    return values


def reasons(row: Row, language: str) -> list[str]:
    """Return why cells of a row are empty, each reason once, after the columns that it holds for."""
    columns: dict[str, list[str]] = {}
    for key, cell in row.cells.items():
        if cell.why is not None:
            columns.setdefault(say(cell.why, language), []).append(key)
    return [f"{', '.join(keys)}: {reason}" for reason, keys in columns.items()]


def render_csv(table: Table, language: str = "en") -> str:
    """Return a table as CSV with all of its columns, the wide ones too."""
    import pandas as pd  # imported here: the other formats do not need it, and it takes longest to load

    lines = [row_values(row, block, table, language) for block in table.blocks for row in block.rows]
    frame = pd.DataFrame(lines)
    for key in WHOLE:
        if key in frame:
            frame[key] = frame[key].astype("Int64")
    return frame.to_csv(index=False, lineterminator="\n")
