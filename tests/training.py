"""The one way in which tests train a run in their own process."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.data.datasets import Dataset
from bench.engines.clock import start_clock
from bench.engines.composer import fit
from bench.engines.precision import Decision
from bench.engines.stopping import StopSignals
from bench.environment import describe_environment
from bench.records import RunWriter, run_directory
from bench.spec import RunSpec


def train_here(
    spec: RunSpec, dataset: Dataset, watchers: Sequence[Any] = (), *, decision: Decision | None = None
) -> Path:
    """Train a run, or go on with it, and return its directory; `watchers` are further callbacks of Composer."""
    writer, environment = RunWriter(run_directory(spec)), describe_environment()
    writer.claim(spec, environment)
    try:
        clock = start_clock(time.time(), time.time())
        fit(spec, dataset, writer, environment, clock, StopSignals(), watchers, decision=decision)
    finally:
        writer.release()
    return writer.path
