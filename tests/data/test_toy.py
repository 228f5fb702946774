"""A new data set is one object in DATASETS: it is drawn or downloaded, checked, trained on and named in tables."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench import train
from bench.budget import data_sizes
from bench.config import load_spec
from bench.data.__main__ import main
from bench.data.datasets import DATASETS, DatasetRow, load_dataset
from bench.data.layout import Arrays
from bench.data.prepare import Drawing
from bench.records import read_runs
from bench.util.cli import run_command
from bench.util.errors import BadInput
from tests.fake_runs import write_fake_run
from tests.tables.building import build

HEIGHT, WIDTH = 16, 24
CLASSES = ("dark", "light", "red")
COLOURS = np.array([[40, 40, 40], [200, 200, 200], [200, 40, 40]], np.uint8)


def paint(part: str, count: int, seed: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yield plain images of three colours, ten at a time, darker by the seed and in the test part."""
    for start in range(0, count, 10):
        labels = (np.arange(start, min(start + 10, count)) % 3).astype(np.uint8)
        colours = COLOURS[labels] - np.uint8(seed + (part == "test"))
        yield np.broadcast_to(colours[:, None, None, :], (len(labels), HEIGHT, WIDTH, 3)), labels


TOY = DatasetRow(
    (3, HEIGHT, WIDTH), 3, (0.5, 0.3, 0.3), (0.3, 0.3, 0.3), 60, 12, drawing=Drawing(paint, CLASSES, version=1)
)
WORDS = ["-f", "tests/small.yaml", "base=recipes/plain_30ep.yaml", "data.name=toy", "threads=1"]
WORDS += ["batch_size=6", "max_duration=2ba", "schedule.warmup=0ep", "wandb.enabled=false", "optimizer.lr=0.01"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Add the toy to the registry, and return the root of data sets."""
    monkeypatch.setitem(DATASETS, "toy", TOY)
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_it_is_prepared_and_checked_by_the_command(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(main, ["check", "toy"]) == 2
    assert "toy is not drawn yet: run `python -m bench.data toy`" in capsys.readouterr().err
    assert run_command(main, ["toy", "--train", "30", "--seed", "2"]) == 0
    said = capsys.readouterr()
    assert "drawing toy into" in said.err
    assert "30 training and 12 test images of 16×24 pixels in 3 classes" in said.out
    assert run_command(main, ["check", "toy"]) == 0
    assert "training images per class: 10 to 10" in capsys.readouterr().out
    data = load_dataset("toy")
    assert (data.image, data.classes, data.mean) == ((3, HEIGHT, WIDTH), CLASSES, TOY.mean)
    np.testing.assert_array_equal(data.train.images[:10], next(paint("train", 10, 2))[0])
    with pytest.raises(SystemExit):
        run_command(main, ["--help"])
    assert "shapes100 and toy: training images" in capsys.readouterr().out


def test_what_is_not_the_data_set_is_refused(root: Path) -> None:
    load_dataset("toy")
    for part, count in (("train", 60), ("test", 12)):
        np.save(root / "toy" / f"{part}_images.npy", np.zeros((count, 32, 32, 3), np.uint8))
    with pytest.raises(BadInput, match=r"has the shape \(60, 32, 32, 3\); toy has \(60, 16, 24, 3\)"):
        load_dataset("toy")
    (root / "toy" / "train_images.npy").unlink()
    with pytest.raises(BadInput, match=r"train_images\.npy is missing"):
        load_dataset("toy")


@pytest.mark.parametrize("model", ["resnet_20", "mlp_mixer_tiny"])
def test_a_model_is_trained_on_it_at_its_own_size_and_tables_name_it(root: Path, model: str, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert run_command(train.main, [*WORDS, f"model.name={model}", f"runs={runs}"]) == 0
    (record,) = read_runs(runs)
    assert record.result is not None
    assert record.result["data"] == {
        "name": "toy",
        "split": "test",
        "classes": 3,
        "image": [3, HEIGHT, WIDTH],
        "train_samples": 60,
        "eval_samples": 12,
    }
    for name in ("resnet_32", "resnet_56"):
        write_fake_run(runs, name, data={"name": "cifar100"})
    blocks = build(runs, "comparison").blocks
    headings = [block.heading.english() for block in blocks if block.heading]
    assert sorted(len(block.rows) for block in blocks) == [1, 2]
    assert sum("dataset: toy" in heading for heading in headings) == 1, headings


def test_a_budget_knows_its_size_before_it_is_drawn(root: Path) -> None:
    spec = load_spec("tests/small.yaml", ["data.name=toy", "batch_size=6"])
    sizes = data_sizes(spec)
    assert (sizes.train, sizes.evaluation, sizes.image, sizes.classes) == (60, 12, (3, HEIGHT, WIDTH), 3)
    assert not root.exists()


def downloaded(folder: Path) -> Any:
    """Return what a downloader would: both parts with two images of a class."""
    part = SimpleNamespace(data=np.full((6, HEIGHT, WIDTH, 3), 7, np.uint8), targets=[0, 1, 2] * 2, classes=CLASSES)
    return part, part


def refuse_dark(folder: Path, arrays: Arrays) -> None:
    """Refuse images that are nearly black."""
    if arrays.train_images.max() < 10:
        raise BadInput(f"{folder}: its images are black")


def test_a_downloaded_set_is_converted_and_checked_by_its_own_rule(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = DatasetRow((3, HEIGHT, WIDTH), 3, TOY.mean, TOY.std, 6, 6, download=downloaded)
    monkeypatch.setitem(DATASETS, "fetched", row)
    with pytest.raises(BadInput, match=r"data set 'fetched' is not in .*python -m bench\.data fetched"):
        load_dataset("fetched")
    assert run_command(main, ["fetched"]) == 0
    assert load_dataset("fetched").image == (3, HEIGHT, WIDTH)
    monkeypatch.setitem(DATASETS, "black", replace(row, check=refuse_dark))
    assert run_command(main, ["black"]) == 2
    assert not (root / "black").exists()
