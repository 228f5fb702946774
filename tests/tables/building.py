"""Build a table of run records, and find its rows."""

from pathlib import Path
from typing import Any

from bench.analysis.cells import Row, Table
from bench.analysis.sources import make_source
from bench.records import read_runs
from bench.tables.measures import Options
from bench.tables.registry import all_tables


def build(runs: Path, name: str, **options: Any) -> Table:
    """Return the named table of the runs below a folder."""
    return all_tables()[name](make_source(read_runs(runs), str(runs)).run_groups, Options(**options))


def rows_of(table: Table, key: str = "model") -> dict[str, Row]:
    """Return all rows of a table by the text of one of their cells."""
    found = {}
    for block in table.blocks:
        for row in block.rows:
            text = row.cells[key].text
            assert text is not None
            found[text.english()] = row
    return found
