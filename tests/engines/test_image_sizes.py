"""Images of 64×64 pixels, trained as a user trains them: the network is built and counted for their size."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import train
from bench.evaluate.trained import load_trained, predict
from bench.records import read_runs
from bench.util.cli import run_command
from bench.zoo.build import build_model
from bench.zoo.counting.cost import count_cost

IMAGE = (3, 64, 64)
CLASSES = 5
WORDS = ["-f", "tests/small.yaml", "base=recipes/plain_30ep.yaml", "data.name=large", "threads=1"]
WORDS += ["batch_size=8", "max_duration=3ba", "schedule.warmup=0ep", "wandb.enabled=false", "optimizer.lr=0.01"]


@pytest.fixture(autouse=True)
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write 40 + 15 random images of 64×64 pixels as a data set of the user's own."""
    folder, draw = tmp_path / "data" / "large", np.random.default_rng(0)
    folder.mkdir(parents=True)
    for part, count in (("train", 40), ("test", 15)):
        np.save(folder / f"{part}_images.npy", draw.integers(0, 256, (count, *IMAGE[1:], IMAGE[0]), np.uint8))
        np.save(folder / f"{part}_labels.npy", np.arange(count) % CLASSES)
    (folder / "classes.txt").write_text("".join(f"class {number}\n" for number in range(CLASSES)))
    monkeypatch.setenv("BENCH_DATA", str(folder.parent))


def result(runs: Path) -> Any:
    """Return the result of the only run."""
    (record,) = read_runs(runs)
    return record.result


@pytest.mark.parametrize("name", ["resnet_20", "mlp_mixer_tiny", "timm/vit_tiny_patch16_224"])
def test_a_model_is_trained_at_the_datas_size(name: str, tmp_path: Path) -> None:
    assert run_command(train.main, [*WORDS, f"model.name={name}", f"runs={tmp_path / 'runs'}"]) == 0
    found = result(tmp_path / "runs")
    assert found["data"]["image"] == list(IMAGE)
    assert (found["training"]["steps"], found["evaluated_samples"]) == (3, 15)
    counted = count_cost(build_model(name, CLASSES, IMAGE), IMAGE)
    assert (found["model"]["params"], found["model"]["macs"]) == (counted.params, counted.macs)
    assert counted.macs > 3 * count_cost(build_model(name, CLASSES)).macs
    # Evaluated again, the network is built for the same size and gives the headline.
    (record,) = read_runs(tmp_path / "runs")
    assert predict(load_trained(record.path)).accuracy["top1"] == found["top1"]


def test_a_budget_pays_for_images_of_that_size(tmp_path: Path) -> None:
    """Three steps of 8 images cost 3 forward passes of 2 FLOP a multiply-accumulate each."""
    macs = count_cost(build_model("resnet_20", CLASSES, IMAGE), IMAGE).macs
    words = [word for word in WORDS if not word.startswith("max_duration")]
    budget = f"budget={6 * macs * 8 * 3 / 1e9:.6f} GFLOP"
    assert run_command(train.main, [*words, budget, "model.name=resnet_20", f"runs={tmp_path / 'runs'}"]) == 0
    assert result(tmp_path / "runs")["training"]["steps"] in (2, 3)  # the budget is rounded


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model.name=timm/resnet18", "model.options.img_size=64"], ["64×64", "leave img_size out"]),
        (["model.name=timm/inception_v3"], ["cannot take 64×64 images", "It takes images of 128×128"]),
        (["model.name=mlp_mixer_tiny", "algorithms.colout={}"], ["key 'algorithms.colout'", "54×54", "64×64"]),
        (
            ["model.name=timm/vit_tiny_patch16_224", "algorithms.progressive_resizing={}"],
            ["key 'algorithms.progressive_resizing'", "32×32", "64×64"],
        ),
    ],
    ids=["img_size", "too small", "ColOut", "progressive resizing"],
)
def test_what_a_model_cannot_take_is_refused_before_anything_is_written(
    overrides: list[str], said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(train.main, [*WORDS, *overrides, f"runs={tmp_path / 'runs'}"]) == 2
    message = capsys.readouterr().err
    for words in said:
        assert words in message
    assert message.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_an_algorithm_that_shrinks_images_trains_a_network_that_takes_them(tmp_path: Path) -> None:
    words = [*WORDS, "model.name=resnet_20", "algorithms.progressive_resizing={}", "algorithms.colout={}"]
    assert run_command(train.main, [*words, f"runs={tmp_path / 'runs'}"]) == 0
