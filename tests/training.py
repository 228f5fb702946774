"""The one way in which tests train a run in their own process, and read what W&B keeps of one."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bench.data.datasets import Dataset
from bench.engines.clock import start_clock
from bench.engines.precision import Decision
from bench.engines.registry import find_engine
from bench.engines.stopping import StopSignals
from bench.environment import describe_environment
from bench.records import RunWriter, run_directory
from bench.spec import RunSpec

# How far the loss of one network may differ between batch sizes: a GPU's convolutions in float32 are in TF32.
LOSS_TOLERANCE = 1e-3 if torch.cuda.is_available() else 1e-6


def train_here(
    spec: RunSpec,
    dataset: Dataset,
    watchers: Sequence[Any] = (),
    *,
    decision: Decision | None = None,
    allow_change: bool = False,
) -> Path:
    """Train a run, or go on with it, and return its directory; `watchers` are further callbacks of Composer."""
    writer, environment = RunWriter(run_directory(spec)), describe_environment()
    writer.claim(spec, environment)
    try:
        clock = start_clock(time.time(), time.time())
        fit, options = find_engine(spec.engine), {"decision": decision, "allow_change": allow_change}
        fit(spec, dataset, writer, environment, clock, StopSignals(), watchers, **options)
    finally:
        writer.release()
    return writer.path


def read_wandb(run: Path) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """Return configuration, history rows and summary of the offline W&B file of a run's directory."""
    from wandb.proto import wandb_internal_pb2
    from wandb.sdk.internal.datastore import DataStore

    (path,) = run.glob("wandb/offline-run-*/run-*.wandb")
    store, history = DataStore(), []
    config: dict[str, Any] = {}
    summary: dict[str, Any] = {}
    store.open_for_scan(str(path))
    while (data := store.scan_data()) is not None:
        message = wandb_internal_pb2.Record()
        message.ParseFromString(data)
        for update in (*message.run.config.update, *message.config.update):
            config[update.key] = json.loads(update.value_json)
        if message.HasField("history"):
            history.append({"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in message.history.item})
        for update in message.summary.update:
            summary["/".join(update.nested_key) or update.key] = json.loads(update.value_json)
    return config, history, summary
