"""Train many runs as one job: `python -m bench.sweep -f yamls/suites/small_10ep.yaml`; `bench.sweep status`."""

import sys
from collections.abc import Sequence

from bench.util.cli import Command, run_command, run_default

COMMANDS: dict[str, Command] = {
    "train": Command("bench.sweep.train", "train the unfinished runs of a suite"),
    "status": Command("bench.sweep.status", "show the state of the runs of one suite, or of all suites"),
}
DEFAULT = "train"


def main(words: Sequence[str]) -> int:
    """Train a suite, or run the command that the first word names."""
    return run_default(COMMANDS, DEFAULT, words)


if __name__ == "__main__":
    sys.exit(run_command(main))
