"""`python -m bench.report html`: write the records as one page."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from bench.analysis.sources import add_arguments, choose_source, read_records
from bench.environment import provenance
from bench.report.contents import Contents
from bench.tables.text import LANGUAGES
from bench.util.cli import OK, make_parser
from bench.util.files import write_output

OUT = Path("reports/index.html")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser(
        "bench.report html",
        "Write run records as one page of HTML: verdicts, table, comparison, figures, runs, the deck's claims.",
        "python -m bench.report html --runs reports/runs --out reports/index.html",
    )
    add_arguments(parser)
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the page (default: en)")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE", help=f"default: {OUT}")
    return parser


def main(words: Sequence[str]) -> int:
    """Write the page and say where, and how large it is; raise BadInput for a file that cannot be written."""
    from bench.report.page import render_page  # imported here: help needs neither templates nor figures

    arguments = build_parser().parse_args(words)
    records = read_records(arguments)
    source = choose_source(records, arguments)
    head = provenance(f"python -m bench.report html {shlex.join(words)}".strip(), source.runs)
    page = render_page(Contents(source, arguments.lang, arguments.ablations), records, head)
    write_output(arguments.out, page)
    print(f"wrote {arguments.out}: {source.runs} runs, {len(page.encode()) / 1e6:.2f} MB")
    return OK
