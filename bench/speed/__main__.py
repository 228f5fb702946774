"""Measure speed: `python -m bench.speed augment | step | scaling | depthwise`; `bench.speed report` reports it."""

import importlib
import sys
from collections.abc import Sequence

from bench.engines.memory import keep_freed_memory
from bench.util.cli import OK, make_parser, run_command
from bench.util.errors import BadInput, unknown

# What can be done → the module whose main(arguments) does it. Imported only when asked for.
MEASUREMENTS = {
    "augment": "bench.speed.augment",
    "step": "bench.speed.step",
    "scaling": "bench.speed.scaling",
    "depthwise": "bench.speed.depthwise",
    "report": "bench.speed.report",
}
EXAMPLE = "python -m bench.speed augment --save augment"


def main(arguments: Sequence[str]) -> int:
    """Run one measurement with its own arguments."""
    if not arguments or arguments[0] in ("-h", "--help"):
        parser = make_parser("bench.speed", "Measure speed as ratios within one process.", EXAMPLE)
        parser.add_argument(
            "measurement", choices=sorted(MEASUREMENTS), help="what to measure; each has its own --help"
        )
        parser.print_help()
        if not arguments:
            raise BadInput(f"say what to measure: {', '.join(sorted(MEASUREMENTS))}")
        return OK
    if arguments[0] not in MEASUREMENTS:
        raise unknown("measurement", arguments[0], MEASUREMENTS)
    return importlib.import_module(MEASUREMENTS[arguments[0]]).main(arguments[1:])


if __name__ == "__main__":
    # As a training has it, whose steps are measured.
    keep_freed_memory()
    sys.exit(run_command(main))
