"""Fixtures that several test files share: a small embedded data set and the launcher, as a user has them."""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.data.datasets import Dataset, load_dataset, prepare_dataset
from bench.data.prepare import Sizes

REPOSITORY = Path(__file__).resolve().parent.parent
pytest_plugins = ["tests.generated_runs", "tests.memory_limit"]
Launch = Callable[..., subprocess.CompletedProcess[str]]


# One process compiles for torch, in place of one for each core that keep their memory as long as the tests last.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run files with slow tests first, so that several processes end at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def seeds() -> None:
    """Seed the global random numbers before each test, so that its values do not depend on the tests before it."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  the global generator is what is seeded
    if "torch" in sys.modules:  # most tests need no torch
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data root that holds a small shapes100: 640 training and 211 test images."""
    root = tmp_path_factory.mktemp("data")
    prepare_dataset("shapes100", root / "shapes100", sizes=Sizes(train=640, test=211))
    return root


@pytest.fixture
def bench_data(small_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let runs find the small data set, and return its root."""
    monkeypatch.setenv("BENCH_DATA", str(small_data))
    return small_data


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a run on shapes100 that others may learn from, which tests leave as it is."""
    from tests.teachers import write_teacher  # imported here: most tests need no torch

    return write_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="session")
def easy_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data root that holds a learnable data set of 64 training and 40 test images."""
    from tests.engines.anew import write_easy  # imported here: most tests need no torch

    root = tmp_path_factory.mktemp("data")
    write_easy(root / "easy", train=64, test=40)
    return root


@pytest.fixture(scope="session")
def easy(easy_root: Path) -> Dataset:
    return load_dataset("easy", easy_root, "test")


@pytest.fixture(scope="session")
def launch(small_data: Path) -> Launch:
    """Return a function that starts `composer -n RANKS bench/train.py ARGUMENTS` on the small data set."""

    def start(ranks: int, arguments: Sequence[str], timeout: float = 300) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "composer"), "-n", str(ranks), "bench/train.py", *arguments]
        environment = {**os.environ, "BENCH_DATA": str(small_data), "WANDB_MODE": "offline"}
        environment.pop("OMP_NUM_THREADS", None)
        return subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    return start
