"""Train one run: `composer -n 8 bench/train.py -f yamls/resnet_20.yaml [key=value …]`.

The run goes to runs/<experiment>/<model>-<recipe>-s<seed>/. Running the same command again resumes an interrupted run
and leaves a finished one alone. SIGTERM and SIGINT end it with a checkpoint. Exit codes: 0 ok, 1 failed, 2 bad input,
143 or 130 stopped by SIGTERM or SIGINT.
"""

import argparse
import faulthandler
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

# Started as a script, Python puts this file's folder first on the path, where its siblings would shadow other packages.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench.budget import data_sizes
from bench.config import load_spec
from bench.data.datasets import Dataset
from bench.engines.clock import start_clock
from bench.engines.memory import keep_freed_memory
from bench.engines.plan import machine_line, plan_lines
from bench.engines.precision import Decision, find_device
from bench.engines.preconditions import check_preconditions
from bench.engines.registry import find_engine
from bench.engines.stopping import RunStopped, StopSignals, describe_failure, guarded, ignore_sigterm
from bench.environment import describe_environment, threads_a_process
from bench.records import RESULT, RunWriter, read_failure, run_directory
from bench.spec import RunSpec
from bench.util.cli import OK, make_parser, run_command
from bench.util.errors import BadInput

SECONDS_FOR_RANK_ZERO_TO_SPEAK = 3.0


def rank() -> int:
    """Return this process's number among the launcher's, 0 without a launcher."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Return the number of the launcher's processes, 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def say_plan(spec: RunSpec, path: Path) -> None:
    """Say what is known of a run before torch and Composer are imported, which takes seconds."""
    if rank() == 0:
        print(*plan_lines(spec, data_sizes(spec), path), sep="\n", flush=True)


def say_machine(spec: RunSpec, decision: Decision) -> None:
    """Say how the run is computed on this machine, before Composer is imported."""
    import torch

    if rank() == 0:
        threads = spec.threads or threads_a_process(int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
        gpu = torch.cuda.get_device_name() if find_device(spec.device) == "gpu" else None
        print(machine_line(decision, world_size(), threads, gpu), flush=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which run is trained."""
    parser.add_argument("-f", "--file", required=True, metavar="YAML", help="the run's declaration")
    parser.add_argument("--arm", help="which arm, for the declaration of an ablation")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="changes to it, such as data.name=shapes100")


def train(arguments: Sequence[str]) -> int:
    """Read the spec, check everything that can be checked, then train and record."""
    parser = make_parser("bench.train", __doc__ or "", "composer -n 2 bench/train.py -f yamls/resnet_20.yaml seed=3")
    parser.prog = "composer -n N bench/train.py"
    add_arguments(parser)
    options = parser.parse_args(arguments)
    spec = load_spec(options.file, options.overrides, options.arm)
    path = run_directory(spec)
    if (path / RESULT).is_file():
        print(f"{path} has finished already; nothing to do (delete it, or change seed or experiment, to train again)")
        return OK
    failure = read_failure(path)
    if failure:
        raise RunStopped(describe_failure(str(path), failure))
    say_plan(spec, path)
    dataset, decision = check_preconditions(spec, path, rank(), world_size())
    say_machine(spec, decision)
    return run(spec, dataset, decision, RunWriter(path))


def run(spec: RunSpec, dataset: Dataset, decision: Decision, writer: RunWriter) -> int:
    """Claim the run's directory on rank 0, and train."""
    environment = {**describe_environment(), "precision": decision.precision}
    # From the claim on a signal leaves a run that can go on, also one that comes while Composer is being imported.
    with StopSignals() as stop:
        if rank() == 0:
            writer.claim(spec, environment)
        try:
            with guarded(writer, rank(), world_size()):
                fit = find_engine(spec.engine)
                clock = start_clock(process_started(), time.time())
                result = fit(spec, dataset, writer, environment, clock, stop, decision=decision)
        finally:
            writer.release()
    if rank() == 0:
        print(
            f"{writer.path}: top-1 {result['top1']:.2f}, top-5 {result['top5']:.2f}, {result['seconds']['train']:.0f} s"
        )
    return OK


def process_started() -> float:
    """Return when this process started, in seconds since the epoch."""
    import psutil

    return psutil.Process().create_time()


def main(arguments: Sequence[str]) -> int:
    """Train; let rank 0 word what every rank has met, so that it is printed once and decides the exit code."""
    try:
        return train(arguments)
    except RunStopped as stop:
        if rank() == 0:
            print(stop, file=sys.stderr)
        return stop.exit_code
    except BadInput:
        if rank() != 0:
            # If rank 0 has met it too, the launcher ends this process within the pause and the words are hidden.
            time.sleep(SECONDS_FOR_RANK_ZERO_TO_SPEAK)
        raise


if __name__ == "__main__":
    # A data file that is cut short while it is mapped ends the process by SIGBUS: say at least where.
    faulthandler.enable()
    keep_freed_memory()
    sys.exit(ignore_sigterm(run_command(main)))
