"""Training through Composer, in this process and on a few hundred images: every algorithm, duration and optimizer."""

import contextlib
import gc
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from algorithms.registry import ALGORITHMS
from bench.config import YAMLS, load_spec
from bench.data.datasets import Dataset, load_dataset
from bench.engines.classifier import Classifier
from bench.engines.precision import find_row
from bench.engines.results import best_epoch
from bench.engines.stopping import Diverged
from bench.records import read_run
from bench.util.console import CLEAR, Console
from tests.teachers import least_settings
from tests.training import LOSS_TOLERANCE, train_here

SMALL = ["batch_size=32", "max_duration=2ba", "wandb.enabled=false", "threads=1", "eval_batch_size=128"]


@pytest.fixture(scope="module")
def dataset(small_data: Path) -> Dataset:
    return load_dataset("shapes100", small_data, "test")


def train(dataset: Dataset, runs: Path, *overrides: str) -> dict[str, Any]:
    """Train the quickstart with overrides and return its result."""
    spec = load_spec(YAMLS.parent / "tests" / "small.yaml", [*SMALL, f"runs={runs}", *overrides])
    result = read_run(train_here(spec, dataset)).result
    assert result is not None
    return dict(result)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_trains(name: str, dataset: Dataset, teacher: Path, tmp_path: Path) -> None:
    """Evaluated to the last of 211 images, which is alone in its batch; nothing is left uncounted."""
    settings = json.dumps(least_settings(name, teacher))
    result = train(dataset, tmp_path, f"algorithms.{name}={settings}", "eval_batch_size=30")
    assert result["training"]["steps"] == 2
    assert result["evaluated_samples"] == 211
    assert "uncounted_because" not in result["model"]


def test_the_evaluation_does_not_depend_on_its_batch_size(dataset: Dataset, tmp_path: Path) -> None:
    """Batches of 30 and of 1 are smaller than the ghost batch of 32."""
    ghost = ["algorithms.ghost_batchnorm={}", "precision=fp32"]
    wanted = train(dataset, tmp_path / "211", *ghost, "eval_batch_size=211")
    result = train(dataset, tmp_path / "30", *ghost, "eval_batch_size=30")
    assert result["loss"] == pytest.approx(wanted["loss"], rel=LOSS_TOLERANCE)
    assert (result["top1"], result["top5"]) == (wanted["top1"], wanted["top5"])


@pytest.mark.parametrize(
    ("duration", "steps"), [("1ep", 20), ("1.3ep", 26), ("0.12ep", 3), ("3ba", 3), ("96sp", 3), ("1sec", None)]
)
def test_every_unit_of_duration(duration: str, steps: int | None, dataset: Dataset, tmp_path: Path) -> None:
    warmup = "schedule.warmup=0ep"
    result = train(dataset, tmp_path, f"max_duration={duration}", warmup)
    assert result["training"]["steps"] == steps if steps else result["training"]["steps"] > 0
    assert result["training"]["samples"] == 32 * result["training"]["steps"]
    assert result["spec"]["max_duration"] == duration


@pytest.mark.parametrize("precision", sorted({"fp32", find_row("cpu").precision}))
@pytest.mark.parametrize(
    "optimizer", ["{name: sgd, lr: 0.1, nesterov: true}", "{name: adamw, lr: 1e-3, weight_decay: 0.05}"]
)
@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_optimizers_schedules_and_precisions(
    precision: str, optimizer: str, schedule: str, dataset: Dataset, tmp_path: Path
) -> None:
    changes = [f"precision={precision}", f"optimizer={optimizer}", f"schedule.name={schedule}"]
    result = train(dataset, tmp_path, *changes, "optimizer.decay=weights")
    assert result["loss"] is not None
    assert result["machine"]["precision"] == precision


@pytest.mark.parametrize(
    "schedule",
    [
        "{name: trapezoid, warmup: 0.25dur, cooldown: 0.5dur}",
        "{name: rex, warmup: 1ba, final: 0.1}",
        "{name: multistep, milestones: [2ba, 0.15ep], gamma: 0.2, warmup: 0ep}",
    ],
)
@pytest.mark.parametrize("duration", ["4ba", "0.2ep"])
def test_learning_rates_are_recorded_as_the_schedule_has_them(
    schedule: str, duration: str, dataset: Dataset, tmp_path: Path
) -> None:
    """4 steps are a fifth of an epoch. Composer calls a schedule before it counts the step, so the last call sees 3."""
    result = train(dataset, tmp_path, f"max_duration={duration}", f"schedule={schedule}", "optimizer.lr=0.1")
    last = read_run(tmp_path / "quickstart" / result["run"]).epochs[-1]
    ends = {"trapezoid": 0.1 * 0.5, "rex": 0.1 * (0.1 + 0.9 * 0.5), "multistep": 0.1 * 0.2**2}
    assert last["lr"] == pytest.approx(ends[result["spec"]["schedule"]["name"]], abs=1e-12)


def test_the_record_of_a_run(dataset: Dataset, tmp_path: Path) -> None:
    result = train(dataset, tmp_path, "max_duration=2ep", "seed=5")
    record = read_run(tmp_path / "quickstart" / result["run"])
    assert record.finished
    assert record.result == json.loads(json.dumps(result))
    assert [row["epoch"] for row in record.epochs] == [1, 2]
    assert [row["samples"] for row in record.epochs] == [640, 1280]
    last = record.epochs[-1]
    assert (result["top1"], result["top5"], result["loss"]) == (last["eval_top1"], last["eval_top5"], last["eval_loss"])
    assert last["eval_top1"] <= last["eval_top5"]
    assert result["best"] == best_epoch(record.epochs)
    assert result["model"]["params"] == 278_324
    assert result["training"]["flops"] == 3 * 2 * result["model"]["macs"] * 1280
    assert result["data"] == {
        "name": "shapes100",
        "split": "test",
        "classes": 100,
        "image": [3, 32, 32],
        "train_samples": 640,
        "eval_samples": 211,
    }
    seconds = result["seconds"]
    assert seconds["train"] > 0 < seconds["eval"]
    assert seconds["total"] == pytest.approx(sum(v for k, v in seconds.items() if k != "total"))
    assert result["images_per_second"] == pytest.approx(1280 / seconds["train"])


def test_evaluation_is_measured_on_the_trained_weights(dataset: Dataset, tmp_path: Path) -> None:
    one = train(dataset, tmp_path / "a", "max_duration=1ep", "algorithms.channels_last=null", "precision=fp32")
    two = train(dataset, tmp_path / "b", "max_duration=1ep", "algorithms.channels_last=null", "precision=fp32")
    assert (one["loss"], one["top1"]) == (two["loss"], two["top1"])


@pytest.mark.parametrize("lr", ["0.1", "1e30"], ids=["finished", "diverged"])
def test_a_run_that_has_ended_keeps_no_network_in_memory(lr: str, dataset: Dataset, tmp_path: Path) -> None:
    def count() -> int:
        gc.collect()
        return sum(type(item) is Classifier for item in gc.get_objects())

    before = count()
    with contextlib.suppress(Diverged):
        train(dataset, tmp_path, f"optimizer.lr={lr}", "schedule.warmup=0ep")
    assert count() <= before


def test_tuning_never_sees_the_test_images(small_data: Path, tmp_path: Path) -> None:
    dataset = load_dataset("shapes100", small_data, "tuning")
    result = train(dataset, tmp_path, "data.split=tuning")
    assert result["data"]["train_samples"] + result["data"]["eval_samples"] == 640
    assert result["evaluated_samples"] == result["data"]["eval_samples"]


def test_batch_norm_and_bias_can_be_left_out_of_weight_decay() -> None:
    from bench.engines.optim import parameter_groups

    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    decayed, free = parameter_groups(model, list(model.parameters()), 0.1, "weights")
    assert [p.ndim for p in decayed["params"]] == [4]
    assert [p.ndim for p in free["params"]] == [1, 1, 1]
    assert free["weight_decay"] == 0.0


def test_a_terminal_has_one_bar(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Ours, on one line; Composer's own bars and what it prints with them are off."""
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr("bench.engines.composer.Console", lambda: Console(stream))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    train(dataset, tmp_path, "max_duration=12ba", "eval_interval=6ba")
    lines = [line.rpartition(CLEAR)[2] for line in stream.getvalue().split("\n")]
    assert [line.partition(" ")[0] for line in lines] == ["epoch", "epoch", ""]
    assert "of 12 | " in stream.getvalue()
    assert capfd.readouterr() == ("", "")
