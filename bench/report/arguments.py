"""The flags that all reports have."""

import argparse

from bench.analysis.sources import add_arguments
from bench.tables.text import LANGUAGES
from bench.util.cli import make_parser


def report_parser(name: str, summary: str, example: str, worded: str, default: str = "en") -> argparse.ArgumentParser:
    """Return the parser of `bench.report NAME`; `worded` is what its --lang sets the language of."""
    parser = make_parser(
        f"bench.report {name}", summary, f"python -m bench.report {name} --runs reports/runs {example}"
    )
    add_arguments(parser)
    parser.add_argument("--lang", choices=LANGUAGES, default=default, help=f"language of {worded} (default: {default})")
    return parser
