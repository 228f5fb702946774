"""`python -m bench.report html | wandb | deck`: reports that people open."""

import sys

from bench.util.cli import Command, Group, run_command

COMMANDS: dict[str, Command] = {
    "html": Command("bench.report.html_command", "write one page that needs nothing else"),
    "wandb": Command("bench.report.wandb_command", "make or update a report of Weights & Biases"),
    "deck": Command("bench.report.deck_command", "write the presentation anew: Markdown, HTML slides, or PowerPoint"),
}
EXAMPLE = "python -m bench.report html --runs reports/runs"
GROUP = Group("bench.report", "Write a report of run records.", EXAMPLE, "report", COMMANDS)
build_parser, main = GROUP.build_parser, GROUP.main

if __name__ == "__main__":
    sys.exit(run_command(main))
