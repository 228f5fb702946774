"""One process of a run that `bench.speed engines` measures; Composer's launcher starts as many as the run has.

It writes rank<R>.json in the folder of `--out`: the precision, the bytes held (`bench.speed.held`) and the seconds of
each step.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bench.config import load_spec
from bench.engines.clock import start_clock
from bench.engines.memory import keep_freed_memory
from bench.engines.preconditions import check_preconditions
from bench.engines.registry import find_engine
from bench.engines.stopping import StopSignals
from bench.environment import describe_environment
from bench.records import RunWriter, run_directory
from bench.util.cli import OK, run_command
from bench.util.files import write_atomically
from bench.util.ranks import rank, world_size


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-f", "--file", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("overrides", nargs="*")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Train as `bench.train` does until the steps are measured, and write what this process found."""
    options = build_parser().parse_args(arguments)
    spec = load_spec(options.file, options.overrides)
    path = run_directory(spec)
    dataset, decision = check_preconditions(spec, path, rank(), world_size())
    fit = find_engine(spec.engine)

    # Composer is imported by then.
    from bench.speed.alternation import Measured
    from bench.speed.held import HeldMemory

    watcher, clock = HeldMemory(options.steps), start_clock(time.time(), time.time())
    run = (spec, dataset, RunWriter(path), describe_environment(), clock, StopSignals(), [watcher])
    with suppress(Measured):
        fit(*run, decision=decision, show_progress=False)
    found = {
        "precision": decision.precision,
        "seconds": watcher.seconds,
        "most": watcher.most,
        "between": watcher.between,
        "process_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    write_atomically(options.out / f"rank{rank()}.json", json.dumps(found))
    return OK


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(run_command(main))
