"""The command that repeats a run declares the recorded recipe, and says so where none does."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.identity import recorded_identity
from bench.config import load_spec
from bench.records import RunRecord, read_run, read_runs
from bench.report.repeat import Recipes
from bench.spec import recipe_identity
from tests.conftest import REPOSITORY
from tests.fake_runs import write_fake_run

RECORDS = read_runs(REPOSITORY / "reports" / "runs")


def declared(command: str) -> tuple[dict[str, object], int]:
    """Return the identity and the seed that a command declares."""
    words = shlex.split(command)
    assert words[:2] == ["composer", "-n"]
    assert words[3:5] == ["bench/train.py", "-f"]
    spec = load_spec(REPOSITORY / words[5], words[6:])
    return recipe_identity(spec), spec.seed


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.run_id)
def test_committed_runs(record: RunRecord) -> None:
    command = Recipes().nearest(record).command(record)
    assert command is not None
    assert declared(command) == (recorded_identity(record.spec), record.seed)


# Weights that a record names and this machine does not have.
ELSEWHERE = {"path": "runs/elsewhere/resnet_56-01234567-s0", "network": "resnet_56", "sha256": "7f" * 32}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("resnet_20", {}),
        ("resnet_20", {"algorithms": {"cutmix": {"alpha": 0.5}}, "batch_size": 64}),
        ("mlp_mixer_tiny", {"optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.0}, "max_duration": "100ba"}),
        ("ghost_resnet_20", {"model": {"name": "ghost_resnet_20", "options": {"ratio": 3}}}),
        ("resnet_20", {"algorithms": {"distillation": {"teacher": ELSEWHERE, "temperature": 2.0, "alpha": 0.5}}}),
        ("resnet_20", {"model": {"name": "resnet_20", "weights": ELSEWHERE}}),
        ("resnet_32", {"schedule": {"name": "trapezoid", "cooldown": "0.4dur"}, "data": {"name": "shapes100"}}),
    ],
)
def test_other_recipes(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    record = read_run(write_fake_run(tmp_path, name, 7, **changes))
    nearest = Recipes().nearest(record)
    command = nearest.command(record)
    assert command is not None, nearest.why
    assert declared(command) == (recorded_identity(record.spec), 7)


@pytest.mark.parametrize("name", ["../suites/packing", "x" * 5000, "timm/resnet18"])
def test_a_model_without_a_file_is_named_over_another(name: str, tmp_path: Path) -> None:
    path = write_fake_run(tmp_path, "resnet_20")
    result = json.loads((path / "result.json").read_text())
    result["spec"]["model"]["name"] = name
    (path / "result.json").write_text(json.dumps(result))
    nearest = Recipes().nearest(read_run(path))
    assert nearest.file == "resnet_20.yaml"
    command = nearest.command(read_run(path))
    assert (command is not None and "model.name=timm/resnet18" in command) == (name == "timm/resnet18")


def test_a_recipe_that_this_version_cannot_declare(tmp_path: Path) -> None:
    path = write_fake_run(tmp_path, "resnet_20")
    result = json.loads((path / "result.json").read_text())
    result["spec"]["algorithms"]["forgotten"] = {"strength": 2}
    (path / "result.json").write_text(json.dumps(result))
    nearest = Recipes().nearest(read_run(path))
    assert "unknown algorithm 'forgotten'" in nearest.why
    assert nearest.command(read_run(path)) is None
