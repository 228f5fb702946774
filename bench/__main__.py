"""`python -m bench`: list the suite's commands."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from bench.util.cli import OK, make_parser, run_command

# Command → what it does. One that this version does not have yet is not listed.
COMMANDS: dict[str, str] = {
    "data": "prepare a data set",
    "train": "train one run (through the launcher: composer bench/train.py -f yamls/resnet_20.yaml)",
    "sweep": "train many runs, each in its own process",
    "tables": "make tables from run records",
    "figures": "draw figures from run records",
    "report": "write a report on run records",
    "evaluate": "evaluate a trained network again: accuracy, also of each class",
    "audit": "check the deck's claims",
    "speed": "measure how fast the suite trains",
    "zoo": "list the models and count what they cost",
}


def exists(command: str) -> bool:
    """Tell whether `python -m bench.<command>` can be run: a module, or a package with a main module."""
    spec = find_spec(f"bench.{command}")
    if spec is None:
        return False
    return spec.submodule_search_locations is None or find_spec(f"bench.{command}.__main__") is not None


def main(words: Sequence[str]) -> int:
    """Print the commands that exist."""
    make_parser("bench", "List the suite's commands.", "python -m bench").parse_args(words)
    for command, summary in COMMANDS.items():
        if exists(command):
            print(f"python -m bench.{command:<8}  {summary}")
    print("Each says more with --help.")
    return OK


if __name__ == "__main__":
    sys.exit(run_command(main))
