"""Make a run's result from what was recorded: a pure function, so that a table's cell can be recomputed."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.analysis.metrics import HEADLINE, METRICS
from bench.data.datasets import Dataset
from bench.records import Row
from bench.spec import RunSpec, recipe_hash
from bench.zoo.models import Model


def make_result(
    spec: RunSpec,
    *,
    row: Model,
    network: Mapping[str, Any],
    training_cost: Mapping[str, Any],
    dataset: Dataset,
    rows: Sequence[Row],
    seconds: Mapping[str, float],
    machine: Mapping[str, Any],
    run: str,
    changes: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return `result.json` (fields: see `bench.records`): the headline is the evaluation of the final weights."""
    last = rows[-1]
    samples = int(last["samples"])
    return {
        "status": "finished",
        "run": run,
        "experiment": spec.experiment,
        "recipe": recipe_hash(spec),
        "seed": spec.seed,
        **{name: last[f"eval_{name}"] for name in METRICS},
        "evaluated_samples": last["eval_samples"],
        "best": best_epoch(rows),
        "model": {
            "name": spec.model.name,
            "family": row.family,
            "technique": row.technique,
            "own_design": row.own_design,
            **network,
        },
        "data": {
            "name": spec.data.name,
            "split": spec.data.split,
            "classes": len(dataset.classes),
            "image": list(dataset.image),
            "train_samples": len(dataset.train),
            "eval_samples": len(dataset.evaluation),
        },
        "training": {
            "epochs": samples / len(dataset.train),
            "steps": int(last["batch"]),
            "samples": samples,
            **training_cost,
        },
        "seconds": {**seconds, "total": sum(seconds.values())},
        "images_per_second": samples / seconds["train"] if seconds["train"] else None,
        "machine": dict(machine),
        **({"changes": list(changes)} if changes else {}),
        "spec": spec.model_dump(mode="json"),
    }


def best_epoch(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the best headline metric of all evaluations: a diagnostic, chosen on the split that it reports."""
    column, best = f"eval_{HEADLINE}", max if METRICS[HEADLINE].higher_is_better else min
    row = best((row for row in rows if row[column] is not None), key=lambda row: row[column])
    return {HEADLINE: row[column], "epoch": row["epoch"]}
