"""Prepare, check and show data sets: `python -m bench.data cifar100`."""

import sys
from collections.abc import Sequence

from bench.util.cli import Command, run_command, run_default

COMMANDS: dict[str, Command] = {
    "prepare": Command("bench.data.prepare_command", "make a data set, unless it is there"),
    "folder": Command("bench.data.folder_command", "make a data set of a folder of images, one sub-folder a class"),
    "check": Command("bench.data.check_command", "check a data set and say what it holds"),
    "show": Command(
        "bench.data.show", "draw training images beside their augmented versions", "bench.data.arguments:show_parser"
    ),
}
DEFAULT = "prepare"


def main(words: Sequence[str]) -> int:
    """Run `prepare`, or the command that the first word names."""
    return run_default(COMMANDS, DEFAULT, words)


if __name__ == "__main__":
    sys.exit(run_command(main))
