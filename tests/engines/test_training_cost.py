"""The training cost of a run against totals counted by hand, and against what is planned before it begins."""

import dataclasses
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from algorithms.registry import ALGORITHMS
from bench.budget import forward_macs, planned_flops
from bench.config import YAMLS, load_spec
from bench.data.datasets import Dataset, load_dataset, prepare_dataset
from bench.data.prepare import Sizes
from bench.util.errors import BadInput
from tests.resume.runs import SMALL, only_run, start

# Eight steps of 24 images, four an epoch.
STEPS, IMAGES = 8, 24
# ResNet-20 at 32 px and 100 classes. Every 3×3 convolution after the stem has the same cost but those that halve the
# map and double the width, which have half of it; two 1×1 shortcuts have an 18th; the linear layer has 64 × 100.
STEM, CONV, HALVING, SHORTCUT, LINEAR = 442_368, 2_359_296, 1_179_648, 131_072, 6_400
CONVS = STEM + 16 * CONV + 2 * HALVING + 2 * SHORTCUT


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    prepare_dataset("shapes100", folder / "shapes100", sizes=Sizes(train=4 * IMAGES, test=100))
    return folder


@pytest.fixture(scope="module")
def dataset(root: Path) -> Dataset:
    return load_dataset("shapes100", root, "test")


def macs(size: int) -> int:
    """Return the MACs of a forward pass: those of convolutions go by the pixels of a map."""
    pixels = Fraction(size * size, 32 * 32)
    return int(CONVS * pixels) + LINEAR


def train(dataset: Dataset, runs: Path, *overrides: str) -> dict[str, Any]:
    """Train and return what the record says of the training."""
    start(dataset, runs, "model.name=resnet_20", *overrides)
    result = only_run(runs).result
    assert result is not None
    return result["training"]


def selective(keep: float) -> int:
    """Return the forward passes' worth of images of a step that keeps a share: chosen among all, then trained."""
    return IMAGES + 3 * int(keep * IMAGES)


BY_HAND: dict[str, tuple[list[str], int]] = {
    "plain": (["algorithms.mixup={}", "algorithms.label_smoothing={}"], 3 * STEPS * IMAGES * macs(32)),
    # Before an average is evaluated, all four batches of the training set go forward once, for BatchNorm's statistics:
    # EMA's at both evaluations, SWA's at the last, as it is put in place after six steps.
    "ema": (["algorithms.ema={half_life: 2ba}"], (3 * STEPS + 2 * 4) * IMAGES * macs(32)),
    "swa": (
        ["max_duration=8ba", "algorithms.swa={swa_start: 0.25dur, swa_end: 0.75dur, update_interval: 1ba}"],
        (3 * STEPS + 4) * IMAGES * macs(32),
    ),
    # The width grows from 16 to 32 between a quarter and three quarters of the run, by steps of 4.
    "progressive_resizing": (
        [
            "max_duration=8ba",
            "algorithms.progressive_resizing={delay_fraction: 0.25, finetune_fraction: 0.25}",
        ],
        3 * IMAGES * sum(macs(size) for size in (16, 16, 16, 20, 24, 28, 32, 32)),
    ),
    # Three steps end before 0.3 of eight, three more before 0.75.
    "sizes of the data path": (
        ["max_duration=8ba", "augmentation.sizes=[[0.3, 16], [0.75, 24], [1.0, 32]]"],
        3 * IMAGES * sum(macs(size) for size in (16, 16, 16, 24, 24, 24, 32, 32)),
    ),
    "colout": (["algorithms.colout={p_row: 0.25, p_col: 0.25}"], 3 * STEPS * IMAGES * macs(24)),
    "sam": (["algorithms.sam={}", "precision=fp32"], 2 * 3 * STEPS * IMAGES * macs(32)),
    # Steps 3 and 6 of 8 go twice.
    "sam at intervals": (["algorithms.sam={interval: 3}", "precision=fp32"], 3 * (STEPS + 2) * IMAGES * macs(32)),
    # Steps 3 to 6 of 8 are within, of which every second one is left out.
    "selective_backprop": (
        ["max_duration=8ba", "algorithms.selective_backprop={start: 0.25, end: 0.75, keep: 0.3}"],
        (3 * (STEPS - 2) * IMAGES + 2 * selective(0.3)) * macs(32),
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", BY_HAND)
def test_totals_counted_by_hand(name: str, dataset: Dataset, tmp_path: Path) -> None:
    overrides, wanted = BY_HAND[name]
    training = train(dataset, tmp_path, *overrides)
    assert training["flops"] == 2 * wanted
    assert "uncounted_because" not in training


@pytest.mark.filterwarnings("ignore")
def test_a_teacher_costs_a_forward_pass_an_image(dataset: Dataset, teacher: Path, tmp_path: Path) -> None:
    """Of the size that the student sees: the first four of eight steps have images of 16 pixels."""
    sizes = "augmentation.sizes=[[0.5, 16], [1.0, 32]]"
    training = train(dataset, tmp_path, f"algorithms.distillation.teacher={teacher}", sizes)
    assert training["flops"] == 2 * (3 + 1) * 4 * IMAGES * (macs(16) + macs(32))


@pytest.mark.filterwarnings("ignore")
def test_frozen_layers_save_their_gradients(dataset: Dataset, tmp_path: Path) -> None:
    """After the first of two epochs 21 of 42 layers are frozen: the last is the first convolution of the fifth block.

    Stem and BatchNorm, three blocks of four layers, one of six (with its shortcut), one convolution. Its BatchNorm is
    trained, so all behind it need the gradients of their inputs. The stem never computes one.
    """
    training = train(dataset, tmp_path, "algorithms.layer_freezing={freeze_start: 0.0, freeze_level: 1.0}")
    frozen = 6 * CONV + (HALVING + CONV + SHORTCUT) + CONV
    saved = (STEM + frozen) + frozen
    assert training["flops"] == 2 * (3 * STEPS * IMAGES * macs(32) - 4 * IMAGES * saved)


PLANNED: dict[str, list[str]] = {
    "plain": ["max_duration=5ba"],
    "epochs": ["algorithms.progressive_resizing={}", "max_duration=3ep"],
    "samples": ["algorithms.progressive_resizing={delay_fraction: 0.1}", "max_duration=150sp"],
    "part of an epoch": ["algorithms.sam={interval: 2}", "max_duration=1.75ep", "precision=fp32"],
    "crop": [
        "algorithms.progressive_resizing={mode: crop, initial_scale: 0.6, size_increment: 3, delay_fraction: 0.2}",
        "algorithms.sam={interval: 2}",
        "precision=fp32",
        "max_duration=9ba",
    ],
    "together": [
        "algorithms.progressive_resizing={delay_fraction: 0.2}",
        "algorithms.colout={p_row: 0.2}",
        "algorithms.selective_backprop={start: 0.1, end: 1.0, keep: 0.4, interrupt: 3}",
        "max_duration=9ba",
    ],
    "sizes": ["augmentation.sizes=[[0.15, 20], [0.5, 24], [1.0, 32]]", "max_duration=1.75ep"],
    "sizes and more": [
        "augmentation.sizes=[[0.4, 16], [1.0, 32]]",
        "algorithms.sam={interval: 2}",
        "algorithms.colout={}",
        "precision=fp32",
        "max_duration=7ba",
    ],
    "surgery": ["algorithms.blurpool={}", "algorithms.squeeze_excite={min_channels: 32}", "max_duration=1ba"],
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PLANNED)
def test_what_is_planned_is_what_is_trained(
    name: str, dataset: Dataset, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(root))
    words = ["model.name=resnet_20", "schedule.warmup=0ep", *PLANNED[name]]
    spec = load_spec(YAMLS.parent / "tests" / "small.yaml", [*SMALL, f"runs={tmp_path}", *words])
    duration = spec.max_duration.rounded(4)
    planned = planned_flops(spec, duration, lambda size: forward_macs(spec, size))
    assert train(dataset, tmp_path, *words)["flops"] == planned


def test_an_algorithm_that_is_not_counted_leaves_the_cost_missing(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new row says what its cost is in that row alone; None is a missing cost with its reason, and no budget."""
    monkeypatch.setitem(ALGORITHMS, "mixup", dataclasses.replace(ALGORITHMS["mixup"], cost=None))
    training = train(dataset, tmp_path, "algorithms.mixup={}", "max_duration=1ba", "schedule.warmup=0ep")
    assert training["flops"] is None
    assert training["uncounted_because"] == "what algorithm 'mixup' computes is not counted"
    with pytest.raises(BadInput, match="algorithm 'mixup' costs is not known before training"):
        load_spec(YAMLS / "resnet_20.yaml", ["budget=0.1 PFLOP", "algorithms.mixup={}"])
