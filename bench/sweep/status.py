"""Show the state of each run of a suite: `python -m bench.sweep status -f yamls/suites/small_10ep.yaml`.

Without -f, the number of runs in each state, for every suite of yamls/suites.

Exit codes: 0 ok, 2 bad input.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.config import YAMLS
from bench.sweep.report import count_lines, invalid_lines, say, status_lines
from bench.sweep.states import read_state
from bench.sweep.suite import Plan, plan_suite
from bench.sweep.timing.calibrate import all_runs
from bench.util.cli import BAD_INPUT, OK, make_parser
from bench.util.errors import BadInput

EXAMPLE = "python -m bench.sweep status -f yamls/suites/small_10ep.yaml"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser("bench.sweep status", __doc__ or "", EXAMPLE)
    what = "the suite (default: a summary of every suite in yamls/suites)"
    parser.add_argument("-f", "--file", type=Path, metavar="YAML", help=what)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="changes to the suite or to all of its runs")
    return parser


def show_status(plan: Plan) -> int:
    """Print the state of each run."""
    runs = all_runs(plan)
    states = {run.name: read_state(plan.suite, run) for run in runs}
    say([*status_lines(plan.suite, runs, states), *invalid_lines(plan.invalid)])
    return OK


def show_every_status(overrides: Sequence[str]) -> int:
    """Print the number of runs in each state for every suite of yamls/; report those that cannot be read."""
    code = OK
    for path in sorted(YAMLS.glob("suites/*.yaml")):
        try:
            plan = plan_suite(path, overrides)
        except BadInput as error:
            print(f"error: {error}", file=sys.stderr)
            code = BAD_INPUT
            continue
        runs = all_runs(plan)
        states = {run.name: read_state(plan.suite, run) for run in runs}
        say(
            [
                f"{plan.suite.name}: {plan.suite.folder}",
                *(f"  {line}" for line in count_lines(plan.suite, runs, states)),
            ]
        )
    return code


def main(words: Sequence[str]) -> int:
    """Show the state of each run of a suite, or a summary of all suites."""
    arguments = build_parser().parse_args(words)
    if arguments.file is None:
        return show_every_status(arguments.overrides)
    return show_status(plan_suite(arguments.file, arguments.overrides))
