"""`python -m bench.report html | wandb | deck`: reports that people open."""

import argparse
import sys
from collections.abc import Sequence

from bench.util.cli import Command, make_group_parser, run_command, run_group

COMMANDS: dict[str, Command] = {
    "html": Command("bench.report.html_command", "write one page that needs nothing else"),
    "wandb": Command("bench.report.wandb_command", "make or update a report of Weights & Biases"),
    "deck": Command("bench.report.deck_command", "write the presentation anew: Markdown, HTML slides, or PowerPoint"),
}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser whose --help lists the reports."""
    example = "python -m bench.report html --runs reports/runs"
    return make_group_parser("bench.report", "Write a report of run records.", example, COMMANDS)


def main(words: Sequence[str]) -> int:
    """Write one report with its own arguments."""
    return run_group(build_parser(), COMMANDS, words, "report")


if __name__ == "__main__":
    sys.exit(run_command(main))
