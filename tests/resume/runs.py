"""What the tests of this folder share: a tiny run, started, interrupted and read back."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.config import YAMLS, load_spec
from bench.data.datasets import Dataset
from bench.engines.composer import fit, start_clock
from bench.engines.precision import Decision
from bench.engines.stopping import StopSignals
from bench.environment import describe_environment
from bench.records import RunRecord, RunWriter, read_runs, run_directory
from tests.conftest import REPOSITORY

# 96 images in batches of 24: four steps an epoch.
SMALL = ["batch_size=24", "eval_batch_size=100", "max_duration=2ep", "wandb.enabled=false", "threads=1"]
# What is to happen right before the step of a number.
At = dict[int, Callable[[], None]]


def start(dataset: Dataset, runs: Path, *overrides: str, decision: Decision | None = None) -> Path:
    """Train the quickstart, or go on with it, and return its directory; the precision is decided unless it is given."""
    spec = load_spec(YAMLS / "quickstart.yaml", [*SMALL, f"runs={runs}", *overrides])
    writer = RunWriter(run_directory(spec))
    environment = describe_environment()
    writer.claim(spec, environment)
    try:
        clock = start_clock(time.time(), time.time())
        fit(spec, dataset, writer, environment, clock, StopSignals(), decision=decision)
    finally:
        writer.release()
    return writer.path


def signalled(number: int = signal.SIGTERM) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def only_run(runs: Path) -> RunRecord:
    (record,) = read_runs(runs)
    return record


def compose(script: str, words: list[str], data: Path) -> subprocess.Popen[str]:
    """Start two ranks under Composer's launcher."""
    command = [str(Path(sys.executable).parent / "composer"), "-n", "2", script, *words]
    environment = {**os.environ, "BENCH_DATA": str(data), "WANDB_MODE": "offline"}
    environment.pop("OMP_NUM_THREADS", None)
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
