"""Teachers for tests of distillation, untrained: the record of a finished run, and a network's weights beside it."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from algorithms.registry import ALGORITHMS
from bench.config import load_arms
from bench.records import WEIGHTS
from bench.zoo.build import build_model
from tests.fake_runs import write_fake_run


def write_teacher(runs: Path, data: str = "shapes100", classes: int = 100, seed: int = 0, **changes: Any) -> Path:
    """Write a run of ResNet-20 that tells classes apart, and return its directory."""
    path = write_fake_run(runs, "resnet_20", seed, result={"data.classes": classes}, data={"name": data}, **changes)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        save_file(build_model("resnet_20", classes).state_dict(), path / WEIGHTS)
    return path


def least_settings(name: str, teacher: Path | str = "runs/teacher") -> dict[str, Any]:
    """Return the settings of an algorithm that have no default."""
    return {"teacher": str(teacher)} if "teacher" in ALGORITHMS[name].handed else {}


def teacher_words(path: Path, arm: str | None, teacher: Path) -> list[str]:
    """Return the overrides that let an arm of a declaration learn from a teacher, where it learns from one."""
    taught = arm is not None and "distillation" in load_arms(path, resolve=False)[arm].algorithms
    return [f"algorithms.distillation.teacher={teacher}"] if taught else []
