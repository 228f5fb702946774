"""Log a run to W&B through Composer's logger: offline under the run directory unless WANDB_MODE says otherwise."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import wandb
from composer.loggers import WandBLogger

from bench.analysis.metrics import wandb_row
from bench.analysis.wandb_ids import run_id
from bench.engines.wandb_login import wandb_mode
from bench.records import WANDB, Row
from bench.spec import RunSpec, recipe_hash
from bench.util.ranks import rank
from bench.zoo.build import find_model

# What wandb would collect by itself: host and user names, command lines, code, hardware samples every few seconds.
PRIVATE = {
    "_disable_meta": True,
    "_disable_machine_info": True,
    "_disable_stats": True,
    "disable_git": True,
    "disable_code": True,
    "console": "off",
}


# What Composer and its monitors log at every step, in several calls. Every tenth step draws the same curve at a tenth
# of the cost; an epoch's own row is always logged.
STEP_METRICS = ("loss/train/", "time/", "trainer/", "lr-", "memory/")
EVERY = 10


# W&B takes tags of up to so many characters.
MAX_TAG = 64


class SampledWandBLogger(WandBLogger):
    """Log to W&B the metrics of every tenth step, and all that is not logged at every step."""

    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        """Pass the metrics on, if they are rare or the step is one of those that are logged."""
        if is_logged(metrics, step):
            super().log_metrics(metrics, step)


def is_logged(metrics: Iterable[str], step: int | None) -> bool:
    """Tell whether W&B gets the metrics of these names at a step (counted from 0)."""
    return not step or step % EVERY == 0 or not all(name.startswith(STEP_METRICS) for name in metrics)


def build_wandb(spec: RunSpec, folder: Path, precision: str) -> SampledWandBLogger:
    """Return the logger of a run that computes in a precision.

    Its folder is made first, or wandb would silently use the system's temporary one.
    """
    if rank() == 0:
        (folder / WANDB).mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("WANDB_SILENT", "true")
    row = find_model(spec.model.name)
    return SampledWandBLogger(
        project=spec.wandb.project,
        entity=spec.wandb.entity,
        group=spec.experiment,
        name=folder.name,
        tags=[tag[:MAX_TAG] for tag in (spec.model.name, row.family, recipe_hash(spec))],
        init_kwargs={
            "dir": str(folder),
            "mode": wandb_mode(),
            # The spec says which precision was declared.
            "config": {**spec.model_dump(mode="json"), "effective_precision": precision},
            # A run that is resumed goes on under the same id; offline each attempt leaves a folder of its own, of
            # which the last one holds all rows (`repeat_rows`).
            "id": run_id(spec.experiment, folder.name),
            "resume": "allow",
            "settings": wandb.Settings(**PRIVATE),
        },
    )


def repeat_rows(rows: Sequence[Row]) -> None:
    """Log again the rows of earlier attempts that this W&B run does not have, when a run is being logged here.

    Offline it has none of them; online it goes on after them, as far as they reached the server.
    """
    if wandb.run is not None:
        for row in rows:
            if row["batch"] >= wandb.run.step:
                wandb.run.log(wandb_row(row), step=row["batch"])


def fail_wandb(failure: dict[str, Any]) -> None:
    """Mark the W&B run as failed and say why, when a run is being logged by this process."""
    if wandb.run is not None:
        wandb.run.summary.update({"status": "failed", "failure": failure})


def finish_wandb(result: dict[str, Any]) -> None:
    """Write the run's result as the W&B summary, when a run is being logged by this process; its spec is the config."""
    if wandb.run is not None:
        wandb.run.summary.update({key: value for key, value in result.items() if key != "spec"})
