"""What the tests of this folder share: a tiny run, started, interrupted and read back."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.config import YAMLS, load_spec
from bench.data.datasets import Dataset
from bench.records import RunRecord, read_runs
from tests.conftest import REPOSITORY
from tests.training import train_here

# 96 images in batches of 24: four steps an epoch.
SMALL = ["batch_size=24", "eval_batch_size=100", "max_duration=2ep", "wandb.enabled=false", "threads=1"]
# What is to happen right before the step of a number.
At = dict[int, Callable[[], None]]


def start(dataset: Dataset, runs: Path, *overrides: str, watchers: Sequence[Any] = (), **options: Any) -> Path:
    """Train the quickstart, or go on with it, as `train_here` does, and return its directory."""
    spec = load_spec(YAMLS.parent / "tests" / "small.yaml", [*SMALL, f"runs={runs}", *overrides])
    return train_here(spec, dataset, watchers, **options)


def signalled(number: int = signal.SIGTERM) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def only_run(runs: Path) -> RunRecord:
    (record,) = read_runs(runs)
    return record


def compose(script: str, words: list[str], data: Path, ranks: int = 2) -> subprocess.Popen[str]:
    """Start some ranks under Composer's launcher."""
    command = [str(Path(sys.executable).parent / "composer"), "-n", str(ranks), script, *words]
    environment = {**os.environ, "BENCH_DATA": str(data), "WANDB_MODE": "offline"}
    environment.pop("OMP_NUM_THREADS", None)
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
