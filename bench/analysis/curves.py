"""Training curves: a quantity over the epochs, and its spread over the seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.records import Row


@dataclass(frozen=True)
class Curve:
    """A quantity over the epochs: mean, lowest and highest over the seeds."""

    epochs: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]


def curve_of(runs: Sequence[Sequence[Row]], key: str) -> Curve:
    """Return a column of the rows over the epochs that every run has it for."""
    series = [{row["epoch"]: row[key] for row in rows if row.get(key) is not None} for rows in runs]
    epochs = sorted(set.intersection(*(set(values) for values in series))) if series else []
    table = np.array([[values[epoch] for epoch in epochs] for values in series], dtype=float)
    if not epochs:
        return Curve([], [], [], [])
    return Curve(epochs, table.mean(axis=0).tolist(), table.min(axis=0).tolist(), table.max(axis=0).tolist())
