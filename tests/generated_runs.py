"""Generated runs that the tests of tables and figures read."""

from pathlib import Path
from typing import Any

import pytest

from tests.fake_runs import write_fake_evaluations, write_fake_run, write_many

ECA_NAMES = ("resnet_20", "ecanet20_adaptive", "ecanet20_fixed_k3", "ecanet20_fixed_k5")


@pytest.fixture(scope="session")
def deck_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a runs folder with 25 models × 3 seeds of the deck's recipe (generated)."""
    runs = tmp_path_factory.mktemp("deck")
    write_many(runs, seeds=3)
    return runs


@pytest.fixture(scope="session")
def ablation_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a runs folder with the arms of every ablation, written by the suite's own writer (generated)."""
    runs = tmp_path_factory.mktemp("ablations")
    for seed in range(3):
        for name in (*ECA_NAMES, "eca_resnet20_pos1", "improved_resnet20_convnext"):
            write_fake_run(runs, name, seed)
        for ratio, top1 in ((2, 59.1), (3, 55.9)):
            model = {"name": "ghost_resnet_20", "options": {"ratio": ratio}}
            write_fake_run(runs, "ghost_resnet_20", seed, model=model, fake={"top1": top1})
        write_fake_run(runs, "improved_resnet20_convnext_no_inverted", seed)
        write_fake_run(runs, "resnest50d", seed)
        write_fake_run(runs, "resnest50d", seed, model={"name": "resnest50d", "stem": "cifar"}, fake={"top1": 66.0})
        smoothed: dict[str, Any] = {"label_smoothing": {"smoothing": 0.1}}
        write_fake_run(runs, "resnet_32", seed, algorithms={}, precision="fp32")
        write_fake_run(runs, "resnet_32", seed, algorithms=smoothed, precision="fp32", fake={"top1": 71.5})
        mixed: dict[str, Any] = {"mixup": {"alpha": 0.2}}
        write_fake_run(runs, "resnet_32", seed, algorithms=mixed, precision="fp32", fake={"top1": 69.9})
    return runs


@pytest.fixture(scope="session")
def evaluated_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a runs folder with 3 seeds of one model and 1 of another that were evaluated, and one that was not."""
    runs = tmp_path_factory.mktemp("evaluated")
    for seed, name in ((0, "resnet_20"), (1, "resnet_20"), (2, "resnet_20"), (0, "convnext_tiny")):
        write_fake_evaluations(write_fake_run(runs, name, seed), seed, 60)
    write_fake_run(runs, "resnet_32")
    return runs
