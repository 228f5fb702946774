"""Measure speed: `python -m bench.speed augment | step | scaling | depthwise`; `bench.speed report` reports it."""

import argparse
import sys
from collections.abc import Sequence

from bench.engines.memory import keep_freed_memory
from bench.util.cli import Command, make_group_parser, run_command, run_group

# Imported only when asked for.
COMMANDS: dict[str, Command] = {
    "augment": Command(
        "bench.speed.augment", "the augmentation against torchvision's", "bench.speed.command:augment_parser"
    ),
    "step": Command("bench.speed.step", "a training step against its ceiling"),
    "scaling": Command("bench.speed.scaling", "processes × threads at the same global batch"),
    "depthwise": Command(
        "bench.speed.depthwise", "depthwise convolutions by precision", "bench.speed.command:depthwise_parser"
    ),
    "report": Command("bench.speed.report", "report all kept measurements, by kind of machine"),
}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser whose --help lists the measurements."""
    example = "python -m bench.speed augment --save augment"
    return make_group_parser("bench.speed", "Measure speed as ratios within one process.", example, COMMANDS)


def main(words: Sequence[str]) -> int:
    """Run one measurement with its own arguments."""
    return run_group(build_parser(), COMMANDS, words, "measurement")


if __name__ == "__main__":
    # As in the training runs that are measured.
    keep_freed_memory()
    sys.exit(run_command(main))
