"""`python -m bench.audit`: check the deck's claims and print, or write, the verdicts."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.audit.claims import CLAIMS_PATH, Claim, read_claims
from bench.audit.evidence import Evidence
from bench.audit.published import RUNS_PATH, read_published
from bench.audit.registry import check_all
from bench.audit.report import Report, to_csv, to_markdown
from bench.environment import describe_git, say_commit
from bench.records import read_runs
from bench.util.cli import OK, make_parser, run_command
from bench.util.errors import BadInput, unknown
from bench.util.files import write_output
from bench.zoo.counting.golden import read_golden

FORMATS = {"md": to_markdown, "csv": to_csv}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser(
        "bench.audit",
        "Check every claim of the deck against counts, its own arithmetic, its authors' logs and our runs.",
        "python -m bench.audit --table ablation_eca_kernel --runs runs",
    )
    for flag, metavar, what in (
        ("--runs", "DIR", "also check against the run records in DIR (default: none)"),
        ("--out", "DIR", "write audit.md and audit.csv there instead of printing"),
    ):
        parser.add_argument(flag, type=Path, metavar=metavar, help=what)
    parser.add_argument("--format", choices=sorted(FORMATS), default="md", help="what is printed (default: md)")
    parser.add_argument("--table", metavar="NAME", help="print the claims of one table only")
    for flag, path, what in (("--claims", CLAIMS_PATH, "the claims"), ("--logs", RUNS_PATH, "the authors' logs")):
        parser.add_argument(flag, type=Path, default=path, metavar="CSV", help=f"{what} (default: {path.name})")
    return parser


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the parsed command line; raise BadInput for what cannot go together."""
    options = build_parser().parse_args(arguments)
    if options.out and options.table:
        raise BadInput("--out writes all claims: it cannot be combined with --table")
    return options


def make_report(options: argparse.Namespace, command: str) -> Report:
    """Return the checked claims of a command line; raise BadInput for files that cannot be used."""
    claims = read_claims(options.claims)
    runs = read_runs(options.runs) if options.runs else []
    if options.runs and not runs:
        raise BadInput(f"{options.runs}: no runs found; without --runs the deck is checked by its authors' logs alone")
    evidence = Evidence({claim.key: claim for claim in claims}, read_published(read_golden(), options.logs), runs)
    checked_claims = check_all(chosen(claims, options.table), evidence)
    return Report(checked_claims, evidence, command, say_commit(describe_git()))


def chosen(claims: Sequence[Claim], table: str | None) -> Sequence[Claim]:
    """Return the claims of a table, or all of them; raise BadInput for a table without claims."""
    tables = dict.fromkeys(claim.table for claim in claims)
    if table is not None and table not in tables:
        raise unknown("table of claims", table, tables)
    return [claim for claim in claims if table in (None, claim.table)]


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write audit.md and audit.csv; raise BadInput when the folder cannot be written."""
    paths = {suffix: folder / f"audit.{suffix}" for suffix in FORMATS}
    for suffix, path in paths.items():
        write_output(path, FORMATS[suffix](report))
    return list(paths.values())


def main(arguments: Sequence[str]) -> int:
    """Check the claims; print them, or write them and say where."""
    options = parse(arguments)
    report = make_report(options, shlex.join(["python", "-m", "bench.audit", *arguments]))
    if options.out:
        for path in write_report(report, options.out):
            print(f"wrote {path}: {len(report.checked_claims)} claims")
    elif options.format == "csv":
        print(to_csv(report), end="")
    else:
        print(to_markdown(report, whole=options.table is None), end="")
    return OK


if __name__ == "__main__":
    sys.exit(run_command(main))
