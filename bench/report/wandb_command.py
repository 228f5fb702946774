"""`python -m bench.report wandb`: make or update a report of Weights & Biases."""

import argparse
import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from bench.analysis.sources import load_source
from bench.environment import provenance
from bench.report.arguments import report_parser
from bench.report.contents import Contents
from bench.util.cli import OK
from bench.util.errors import BadInput, first_line
from bench.util.files import write_output
from bench.util.wandb_account import check_account, check_entity

ASKED, OTHERWISE = "bench.report wandb needs a W&B account", "or see the report here with --dry-run"
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    summary = "Make a report of Weights & Biases from run records, or update the one that was made before."
    parser = report_parser("wandb", summary, "--entity E --project P --dry-run", "verdicts and tables")
    parser.add_argument("--entity", required=True, metavar="E", help="the user or team that owns the project")
    parser.add_argument("--project", required=True, metavar="P", help="the project that holds the runs and the report")
    parser.add_argument("--dry-run", action="store_true", help="print what would be sent as JSON; needs no account")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write what --dry-run would print")
    return parser


def main(words: Sequence[str]) -> int:
    """Print the report's spec, or send it and print its address; raise BadInput where the server does not take it."""
    arguments = build_parser().parse_args(words)
    check_names(arguments)
    # Imported here: it takes seconds, and help needs none of it.
    from bench.report.wandb_report import build_report, publish, spec_of

    source = load_source(arguments)
    if not arguments.dry_run:
        check_account(ASKED, OTHERWISE)
        check_entity("bench.report wandb", OTHERWISE, arguments.entity)
    contents = Contents(source, arguments.lang, arguments.ablations)
    head = provenance(f"python -m bench.report wandb {shlex.join(words)}", source.runs)
    report = build_report(contents, arguments.entity, arguments.project, head)
    if arguments.dry_run:
        return show(json.dumps(spec_of(report), indent=1, ensure_ascii=False), arguments.out)
    try:
        address, new = publish(report)
    except Exception as error:  # wandb raises bare exceptions, and those of three libraries below it
        where = f"--entity {arguments.entity} --project {arguments.project}"
        raise BadInput(f"{where}: the report was not sent: {first_line(error)[:300]}; {OTHERWISE}") from None
    print(f"{'made' if new else 'updated'} {address}")
    return OK


def show(text: str, out: Path | None) -> int:
    """Print a text, or write it to a file; raise BadInput where that cannot be written."""
    if out is None:
        print(text)
    else:
        write_output(out, f"{text}\n")
        print(f"wrote {out}")
    return OK


def check_names(arguments: argparse.Namespace) -> None:
    """Raise BadInput for an entity or a project that W&B could not have, and for a file of what is not shown."""
    if arguments.out and not arguments.dry_run:
        raise BadInput("--out: what is sent is not written; add --dry-run to see it")
    for key in ("entity", "project"):
        value = getattr(arguments, key)
        if not re.fullmatch(NAME, value):
            raise BadInput(f"--{key} '{value}': letters, digits and -_. are allowed, at most 128")
