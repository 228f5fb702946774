"""A tiny data set, and a hook before each step."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import bench.data.loader as loader
from bench.data.datasets import Dataset, load_dataset, prepare_dataset
from bench.data.prepare import Sizes
from tests.resume.runs import At


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    prepare_dataset("shapes100", folder / "shapes100", sizes=Sizes(train=96, test=100))
    return folder


@pytest.fixture(scope="module")
def dataset(root: Path) -> Dataset:
    return load_dataset("shapes100", root, "test")


@pytest.fixture
def bench_data(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let runs find the tiny data set, and return its root."""
    monkeypatch.setenv("BENCH_DATA", str(root))
    return root


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Iterator[At]:
    """Return a dict of what is to happen once, right before the step of a number (from 0) is taken."""
    happens: At = {}
    reseed = loader.reseed

    def reseed_and_happen(seed: int, step: int, rank: int) -> None:
        happens.pop(step, lambda: None)()
        reseed(seed, step, rank)

    monkeypatch.setattr(loader, "reseed", reseed_and_happen)
    yield happens
    assert not happens, "a step was never taken"


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machine be its CPU alone: what a test says of CPUs holds on a machine with a GPU too."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
