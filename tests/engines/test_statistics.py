"""An average of weights is evaluated with BatchNorm statistics of its own, estimated from the training images."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torchvision.transforms.functional import normalize, to_tensor

from algorithms.registry import ALGORITHMS, build_algorithms
from bench.algorithm_settings import validate_algorithms
from bench.data.datasets import Dataset, load_dataset
from bench.data.loader import Shard, TrainLoader
from bench.engines.callbacks import statistics
from bench.engines.callbacks.statistics import EstimateStatistics, estimate_statistics, holds_average
from bench.engines.classifier import Classifier
from bench.engines.clock import Clock
from bench.records import read_run
from bench.spec import AugmentationSection
from bench.zoo.build import build_model
from bench.zoo.counting.training import Kind, Meter, Passes
from tests.engines.anew import evaluate_anew, evaluated_weights, final_checkpoint, run, write_easy
from tests.training import LOSS_TOLERANCE

# 320 images in batches of 32: all of them make the statistics.
RECIPE = ["batch_size=32", "max_duration=6ep", "schedule.name=constant", "optimizer.lr=0.05", "eval_interval=6ep"]
RECIPE += ["augmentation.crop_padding=0", "augmentation.flip=false"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("data")
    write_easy(root / "easy", train=320, test=200, noise=70.0)
    return load_dataset("easy", root, "test")


def small_network(dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=0.3), nn.ReLU(), nn.Dropout(dropout), nn.Conv2d(4, 5, 3)]
    return nn.Sequential(*layers, nn.BatchNorm2d(5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 10))


def random_batches(number: int = 4) -> list[Tensor]:
    return list(torch.randn(number, 8, 3, 12, 12, generator=torch.Generator().manual_seed(1)))


def test_the_estimate_is_torchs_own() -> None:
    mine, theirs = small_network(), small_network()
    estimate_statistics(mine, random_batches())
    update_bn(random_batches(), theirs)
    for (name, value), other in zip(mine.named_buffers(), theirs.buffers(), strict=True):
        assert torch.equal(value, other) != name.endswith("num_batches_tracked"), name


@pytest.mark.parametrize("training", [True, False])
def test_everything_else_stays_as_it_was_and_nothing_is_drawn(training: bool) -> None:
    network = small_network(dropout=0.5).train(training)
    network(random_batches()[0])
    before, drawn = {name: value.clone() for name, value in network.state_dict().items()}, torch.get_rng_state()
    estimate_statistics(network, random_batches())
    once = {name: value.clone() for name, value in network.state_dict().items()}
    estimate_statistics(network, random_batches())
    assert all(torch.equal(value, once[name]) for name, value in network.state_dict().items())
    changed = {name for name, value in once.items() if not torch.equal(value, before[name])}
    assert changed == {f"{layer}.running_{kind}" for layer in (1, 5) for kind in ("mean", "var")}
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(module.training == training for module in network.modules())
    assert [layer.momentum for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)] == [0.3, 0.1]


def test_a_network_without_batch_norm_costs_nothing() -> None:
    def never() -> Iterator[Tensor]:
        raise AssertionError("no image is needed")
        yield

    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.BatchNorm2d(4, track_running_stats=False))
    estimate_statistics(network, never())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "average", ["algorithms.swa={swa_start: 0.4dur}", "algorithms.ema={half_life: 20ba}"], ids=["swa", "ema"]
)
def test_an_average_is_as_accurate_as_with_statistics_of_its_own(
    average: str, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = run(dataset, tmp_path / "right", *RECIPE, average)
    result = read_run(path).result
    assert result is not None
    network = build_model("resnet_20", 10)
    network.load_state_dict(evaluated_weights(final_checkpoint(path)))
    images = torch.stack([normalize(to_tensor(i), dataset.mean, dataset.std) for i in np.asarray(dataset.train.images)])
    update_bn(images.split(32), network)
    logits = network.eval()(
        torch.stack([normalize(to_tensor(i), dataset.mean, dataset.std) for i in np.asarray(dataset.evaluation.images)])
    )
    top1 = 100 * float((logits.argmax(dim=1).numpy() == dataset.evaluation.labels).mean())
    assert result["top1"] == pytest.approx(top1, abs=1.0)
    assert result["top1"] > 85
    assert result["loss"] == pytest.approx(evaluate_anew(path, dataset)["loss"], rel=max(1e-4, LOSS_TOLERANCE))
    monkeypatch.setattr(statistics, "estimate_statistics", lambda network, batches: None)
    wrong = read_run(run(dataset, tmp_path / "wrong", *RECIPE, average)).result
    assert wrong is not None
    assert wrong["top1"] < result["top1"] - 5


@pytest.mark.filterwarnings("ignore")
def test_a_run_of_seconds_is_averaged_too(dataset: Dataset, tmp_path: Path) -> None:
    path = run(dataset, tmp_path, "max_duration=2sec", "batch_size=32", "algorithms.swa={update_interval: 1ba}")
    state = final_checkpoint(path)["algorithms"]["SWA"]
    assert state["averaged"]
    assert state["count"] > 0


def test_the_images_are_the_same_on_any_number_of_ranks(dataset: Dataset) -> None:
    def indices(rank: int, ranks: int) -> list[Tensor]:
        shared: dict[str, Any] = {"batch_size": 32, "seed": 3, "device": torch.device("cpu")}
        loader = TrainLoader(dataset, AugmentationSection(), shard=Shard(rank, ranks), **shared)
        return list(itertools.islice(loader.batches(statistics.EPOCH), 5))

    whole, parts = indices(0, 1), [indices(rank, 2) for rank in range(2)]
    for batch, *halves in zip(whole, *parts, strict=True):
        assert sorted(batch.tolist()) == sorted(torch.cat(halves).tolist())


@pytest.mark.parametrize("name", [name for name, row in ALGORITHMS.items() if row.averaged])
def test_an_algorithm_tells_whether_the_model_holds_its_average(name: str) -> None:
    (algorithm,) = build_algorithms(validate_algorithms({name: {}}))
    assert not holds_average([algorithm])
    setattr(algorithm, str(ALGORITHMS[name].averaged), True)
    assert holds_average([algorithm])
    assert not holds_average(build_algorithms(validate_algorithms({"channels_last": {}})))


@pytest.mark.parametrize("phase", ["eval", None])
def test_time_and_passes_count_as_training(phase: str | None, dataset: Dataset) -> None:
    """Each look at the clock comes a second after the last; the estimate of two batches is one phase."""
    clock = Clock(now=itertools.count().__next__)
    clock.switch(phase)
    loader = TrainLoader(dataset, AugmentationSection(), batch_size=160, seed=0, device=torch.device("cpu"))
    (ema,) = build_algorithms(validate_algorithms({"ema": {}}))
    ema.ema_weights_active = True
    state: Any = SimpleNamespace(algorithms=[ema], model=Classifier(small_network()))
    logger: Any = None
    meter = Meter()
    EstimateStatistics(clock, meter, loader, "fp32").eval_start(state, logger)
    assert clock.phase == phase
    assert clock.seconds["train"] == 1.0
    assert meter.tally == {Kind((32, 32)): Passes(forward=320)}
