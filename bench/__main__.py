"""`bench COMMAND …`, or `python -m bench.COMMAND …`: all commands of the suite."""

import sys
from collections.abc import Sequence

from bench.engines.memory import keep_freed_memory
from bench.util.cli import OK, Command, Group, run_command

COMMANDS: dict[str, Command] = {
    "data": Command("bench.data.__main__", "prepare a data set"),
    "train": Command(
        "bench.launch", "train one run (through the launcher: composer bench/train.py -f yamls/resnet_20.yaml)"
    ),
    "sweep": Command("bench.sweep.__main__", "train many runs, each in its own process"),
    "rerun": Command("bench.rerun", "train a recorded run anew and say whether it was reproduced"),
    "tables": Command("bench.tables.__main__", "make tables from run records"),
    "figures": Command("bench.figures.__main__", "draw figures from run records"),
    "report": Command("bench.report.__main__", "write a page, a presentation or a W&B report from run records"),
    "sync": Command("bench.sync", "upload the offline W&B runs of a runs folder"),
    "evaluate": Command("bench.evaluate.__main__", "evaluate trained networks: accuracy, robustness, latency"),
    "export": Command("bench.export.__main__", "write a trained network so that it loads without this package"),
    "audit": Command("bench.audit.__main__", "check the deck's claims"),
    "speed": Command("bench.speed.__main__", "measure how fast the suite trains"),
    "zoo": Command("bench.zoo.__main__", "list the models and count what they cost"),
    "completion": Command("bench.completion", "print a script that completes these commands in a shell"),
}
EXAMPLE = "python -m bench tables comparison --runs runs"
GROUP = Group("bench", "Run a command of the suite.", EXAMPLE, "command", COMMANDS)
build_parser = GROUP.build_parser


def main(words: Sequence[str]) -> int:
    """Run a command; without one list them all."""
    if words:
        return GROUP.main(words)
    for name, command in COMMANDS.items():
        print(f"python -m bench.{name:<10}  {command.summary}")
    print("Each says more with --help. `bench COMMAND` runs the same.")
    return OK


def run() -> int:
    """Run a command of the console script `bench` and return the exit code."""
    if sys.argv[1:2] == ["speed"]:
        # As a training has it, whose steps are measured.
        keep_freed_memory()
    return run_command(main)


if __name__ == "__main__":
    sys.exit(run())
