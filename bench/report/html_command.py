"""`python -m bench.report html`: write the records as one page."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from bench.analysis.sources import choose_source, read_records
from bench.environment import provenance
from bench.report.arguments import report_parser
from bench.report.contents import Contents
from bench.util.cli import OK
from bench.util.files import write_output

OUT = Path("reports/index.html")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    summary = "Write run records as one page of HTML: verdicts, table, comparison, figures, runs, the deck's claims."
    parser = report_parser("html", summary, "--out reports/index.html", "the page")
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
