"""The page's table: the comparison of models with all of its columns, and each row as files have it."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from bench.analysis.cells import Cell, Column
from bench.analysis.run_groups import RunGroup
from bench.report.contents import Contents
from bench.tables.page import Entry, make_page
from bench.tables.render_csv import render_csv, row_values

# Columns that a paper has no room for, but a page shows at first.
SHOWN_AT_FIRST = ("technique",)


def table_data(contents: Contents) -> dict[str, Any]:
    """Return the table as the template shows it: columns, blocks of rows, footnotes, notes."""
    page = make_page(contents.table, contents.language, wide=True)
    columns = contents.table.columns
    entries = iter(row for section in page.sections for row in section.rows)
    blocks: dict[int, list[dict[str, Any]]] = {}
    for block, row, run_group in contents.rows:
        cells = [row.cells.get(column.key) for column in columns]
        blocks.setdefault(id(block), []).append(row_data(contents, next(entries), cells, columns, run_group))
    return {
        "title": page.title,
        "columns": [
            {"key": column.key, "heading": heading, "left": left, "hidden": hidden_at_first(column)}
            for column, heading, left in zip(columns, page.headings, page.left, strict=True)
        ],
        "blocks": [
            {"heading": section.heading, "rows": rows}
            for section, rows in zip(page.sections, blocks.values(), strict=True)
        ],
        "footnotes": page.footnotes,
        "notes": page.notes,
    }


def hidden_at_first(column: Column) -> bool:
    """Tell whether the page hides a column until it is asked for."""
    return column.wide and column.key not in SHOWN_AT_FIRST


def row_data(
    contents: Contents,
    entries: Sequence[Entry],
    cells: Sequence[Cell | None],
    columns: Sequence[Column],
    run_group: RunGroup,
) -> dict[str, Any]:
    """Return one row: its cells as text with the number that sorts them, and what it is filtered by."""
    params = run_group.first["model"].get("params")
    return {
        "group": contents.numbers[run_group.runs],
        "technique": str(run_group.first["model"].get("technique")),
        "params": params / 1e6 if isinstance(params, int | float) else None,
        "cells": [
            {
                "text": entry.text,
                "marks": entry.marks,
                "left": column.kind in ("words", "verdict"),
                "model": column.key == "model",
                "sort": None if cell is None or cell.value is None else f"{cell.value:.6g}",
                "runs": other_runs(contents, cell, run_group),
            }
            for entry, cell, column in zip(entries, cells, columns, strict=True)
        ],
    }


def other_runs(contents: Contents, cell: Cell | None, run_group: RunGroup) -> str | None:
    """Return the numbers of the runs behind a cell where those are not all runs of its row."""
    if cell is None or not cell.runs or cell.runs == run_group.runs:
        return None
    return " ".join(str(contents.run_numbers[run]) for run in cell.runs)


def file_data(contents: Contents) -> dict[str, Any]:
    """Return the rows as the files that the page offers have them: the lines of the CSV file, the values of JSON."""
    head, *lines = csv.reader(io.StringIO(render_csv(contents.table, contents.language)))
    values = [row_values(row, block, contents.table, contents.language) for block, row, _ in contents.rows]
    return {
        "head": csv_line(head),
        "lines": [csv_line(line) for line in lines],
        "keys": head,
        "values": [[row.get(key) for key in head] for row in values],
    }


def csv_line(words: Sequence[str]) -> str:
    """Return one line of a CSV file, quoted as `bench.tables` quotes it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(words)
    return text.getvalue()
