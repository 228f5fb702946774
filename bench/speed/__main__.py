"""Measure speed: `python -m bench.speed augment | step | scaling | engines | depthwise`; `bench.speed report`."""

import sys

from bench.engines.memory import keep_freed_memory
from bench.util.cli import Command, Group, run_command

# Imported only when asked for.
COMMANDS: dict[str, Command] = {
    "augment": Command(
        "bench.speed.augment", "the augmentation against torchvision's", "bench.speed.command:augment_parser"
    ),
    "step": Command("bench.speed.step", "a training step against its ceiling"),
    "scaling": Command("bench.speed.scaling", "processes × threads at the same global batch"),
    "engines": Command("bench.speed.engines", "DDP against ZeRO 0 to 3: speed, and memory a process"),
    "depthwise": Command(
        "bench.speed.depthwise", "depthwise convolutions by precision", "bench.speed.command:depthwise_parser"
    ),
    "report": Command("bench.speed.report", "report all kept measurements, by kind of machine"),
}
EXAMPLE = "python -m bench.speed augment --save augment"
GROUP = Group("bench.speed", "Measure speed as ratios within one process.", EXAMPLE, "measurement", COMMANDS)
build_parser, main = GROUP.build_parser, GROUP.main

if __name__ == "__main__":
    # As in the training runs that are measured.
    keep_freed_memory()
    sys.exit(run_command(main))
