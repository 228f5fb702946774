"""`python -m bench.tables`: print or write tables of run records."""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.analysis.cells import Table
from bench.analysis.sources import Source, add_arguments, load_source
from bench.environment import provenance
from bench.tables.evaluated import has_evaluations
from bench.tables.measures import Options
from bench.tables.page import make_page
from bench.tables.registry import EVALUATIONS, WITHOUT_RUNS, all_tables
from bench.tables.render_csv import render_csv
from bench.tables.render_html import render_html
from bench.tables.render_md import render_markdown
from bench.tables.render_tex import render_latex
from bench.tables.text import LANGUAGES
from bench.util.cli import OK, make_parser, run_command
from bench.util.errors import check_known
from bench.util.files import write_output

EXAMPLE = "python -m bench.tables comparison eca_kernel --runs runs --format tex --out reports/tables"
Render = Callable[[Table, argparse.Namespace], str]

FORMATS: dict[str, Render] = {
    "md": lambda table, a: render_markdown(make_page(table, a.lang, wide=a.wide)),
    "csv": lambda table, a: render_csv(table, a.lang),
    "tex": lambda table, a: render_latex(make_page(table, a.lang, wide=a.wide)),
    "html": lambda table, a: render_html([make_page(table, a.lang, wide=a.wide)]),
}
# How a file of each format says where it comes from; a CSV file has no comments, its lines name the runs.
COMMENTS = {"md": "<!-- {} -->\n", "tex": "% {}\n", "html": "<!-- {} -->\n"}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser(
        "bench.tables", "Make tables from run records. Tables: " + ", ".join(all_tables()) + ".", EXAMPLE
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="tables to make (default: all that show something)")
    add_arguments(parser)
    parser.add_argument("--format", choices=FORMATS, default="md", help="default: md")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the headings (default: en)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write a file for each table instead of printing")
    parser.add_argument("--allow-mixed", action="store_true", help="rank rows of different steps, batch, data together")
    parser.add_argument("--best", action="store_true", help="show the best epoch too (a diagnostic, not a result)")
    parser.add_argument("--wide", action="store_true", help="show the columns that do not fit into a paper")
    return parser


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; raise BadInput for an unknown table."""
    arguments = build_parser().parse_args(words)
    known = all_tables(arguments.ablations)
    for name in arguments.names:
        check_known("table", name, known)
    return arguments


def build_tables(source: Source, arguments: argparse.Namespace) -> list[Table]:
    """Return the requested tables, each with notes on what it leaves out."""
    options = Options(allow_mixed=arguments.allow_mixed, best=arguments.best)
    known = all_tables(arguments.ablations)
    shown = [name for name in known if name not in EVALUATIONS or has_evaluations(source.run_groups, name)]
    tables = [known[name](source.run_groups, options) for name in arguments.names or shown]
    return [
        replace(table, notes=(*table.notes, *(source.noise if has_times(table) else ()), *source.notes()))
        for table in tables
    ]


def has_times(table: Table) -> bool:
    """Tell whether a table has a column of times or speeds."""
    return any(column.timed for column in table.columns)


def show(tables: Sequence[Table], arguments: argparse.Namespace) -> str:
    """Return all tables as one text; HTML is one page, CSV tables are separated by a line with their name."""
    if arguments.format == "html":
        return render_html([make_page(table, arguments.lang, wide=arguments.wide) for table in tables])
    texts = [FORMATS[arguments.format](table, arguments) for table in tables]
    if arguments.format == "csv" and len(tables) > 1:
        texts = [f"# {table.name}\n{text}" for table, text in zip(tables, texts, strict=True)]
    return "\n".join(texts)


def write(tables: Sequence[Table], arguments: argparse.Namespace, head: str) -> None:
    """Write a file for each table and print its path; raise BadInput when the folder cannot be written."""
    comment = COMMENTS.get(arguments.format, "").format(head)
    for table in tables:
        path = arguments.out / f"{table.name}.{arguments.format}"
        write_output(path, comment + FORMATS[arguments.format](table, arguments))
        print(path)


def main(words: Sequence[str]) -> int:
    """Print tables, or write them with --out."""
    arguments = parse(words)
    needs_none = bool(arguments.names) and WITHOUT_RUNS.issuperset(arguments.names)
    source = Source((), 0) if needs_none else load_source(arguments)
    tables = build_tables(source, arguments)
    if arguments.out:
        write(tables, arguments, provenance(f"python -m bench.tables {shlex.join(words)}", source.runs))
    else:
        print(show(tables, arguments), end="")
    return OK


if __name__ == "__main__":
    sys.exit(run_command(main))
