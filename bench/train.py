"""Train one run: `composer -n 8 bench/train.py -f yamls/resnet_20.yaml [key=value …]`.

The run goes to runs/<experiment>/<model>-<recipe>-s<seed>/, on several nodes to that of node 0 alone. Running the same
command again resumes an interrupted run and leaves a finished one alone. SIGTERM and SIGINT end it with a checkpoint.
Exit codes: 0 ok, 1 failed, 2 bad input, 143 or 130 stopped by SIGTERM or SIGINT.
"""

import argparse
import faulthandler
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

# Started as a script, Python puts this file's folder first on the path, where its siblings would shadow other packages.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench.analysis.metrics import say_metrics
from bench.config import load_spec
from bench.data.datasets import Dataset
from bench.engines.clock import start_clock
from bench.engines.memory import keep_freed_memory
from bench.engines.nodes import Processes, joined
from bench.engines.plan import print_machine, print_plan
from bench.engines.precision import Decision
from bench.engines.preconditions import check_preconditions, check_specs
from bench.engines.registry import find_engine
from bench.engines.stopping import RunStopped, StopSignals, describe_failure, guarded, ignore_sigterm, report_once
from bench.environment import describe_environment, process_started
from bench.records import RunWriter, read_state, run_directory
from bench.spec import RunSpec
from bench.util.cli import OK, make_parser, run_command
from bench.util.parent import end_with_launcher
from bench.util.ranks import rank, world_size

AGAIN = "delete it, or change seed or experiment, to train again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which run is trained."""
    parser.add_argument("-f", "--file", required=True, metavar="YAML", help="the run's declaration")
    parser.add_argument("--arm", help="which arm, for the declaration of an ablation")
    parser.add_argument("--allow-change", action="store_true", help="go on by another engine or number of processes")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="changes to it, such as data.name=shapes100")


def train(arguments: Sequence[str]) -> int:
    """Read the spec, check everything that can be checked, then train and record."""
    parser = make_parser("bench.train", __doc__ or "", "composer -n 2 bench/train.py -f yamls/resnet_20.yaml seed=3")
    parser.prog = "composer -n N bench/train.py"
    add_arguments(parser)
    options = parser.parse_args(arguments)
    spec = load_spec(options.file, options.overrides, options.arm)
    path = run_directory(spec)
    with joined() as nodes:
        check_specs(spec, nodes)
        shown, finished, failure = nodes.from_first("state", lambda: (str(path), *read_state(path)))
        if finished:
            print(f"{shown} has finished already; nothing to do ({AGAIN})")
            return OK
        if failure:
            raise RunStopped(describe_failure(shown, failure))
        print_plan(spec, Path(shown))
        dataset, decision = check_preconditions(spec, path, rank(), world_size(), nodes)
        print_machine(spec, decision)
        return run(spec, dataset, decision, RunWriter(path), nodes, allow_change=options.allow_change)


def run(
    spec: RunSpec, dataset: Dataset, decision: Decision, writer: RunWriter, nodes: Processes, *, allow_change: bool
) -> int:
    """Claim the run's directory on rank 0, and train."""
    environment = {**describe_environment(), "precision": decision.precision}
    # From the claim on a signal leaves a run that can go on, also one that comes while Composer is being imported.
    with StopSignals() as stop:
        if rank() == 0:
            writer.claim(spec, environment)
        try:
            with guarded(writer, rank(), world_size(), nodes.board(writer)):
                fit = find_engine(spec.engine)
                clock = start_clock(process_started(), time.time())
                options = {"decision": decision, "allow_change": allow_change}
                result = fit(spec, dataset, writer, environment, clock, stop, **options)
        finally:
            writer.release()
    if rank() == 0:
        print(f"{writer.path}: {say_metrics(result)}, {result['seconds']['train']:.0f} s")
    return OK


main = partial(report_once, train)  # rank 0 reports what ends the run early

if __name__ == "__main__":
    end_with_launcher()
    # A data file that is truncated while it is mapped ends the process by SIGBUS: say at least where.
    faulthandler.enable()
    keep_freed_memory()
    sys.exit(ignore_sigterm(run_command(main)))
