"""Finished runs on the small learnable data set."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.data.datasets import Dataset
from tests.engines.anew import run

Train = Callable[..., Path]
# 64 images in batches of 16: four steps an epoch; a checkpoint after each epoch.
SMALL = ["batch_size=16", "max_duration=2ep", "checkpoint.keep=5"]


@pytest.fixture
def train(easy: Dataset, easy_root: Path, tmp_path: Path) -> Train:
    """Return a function that trains ResNet-20 on the data set and returns the run's directory."""

    def start(*overrides: str, dataset: Dataset = easy) -> Path:
        return run(dataset, tmp_path / "runs", f"data.root={easy_root}", *SMALL, *overrides)

    return start


@pytest.fixture(scope="session")
def finished(easy: Dataset, easy_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a finished run, which tests leave as it is."""
    runs = tmp_path_factory.mktemp("runs")
    return run(easy, runs, f"data.root={easy_root}", *SMALL, "optimizer.lr=0.05")
