"""MixUp and CutMix taking turns: images and soft labels are those of timm's Mixup, and draws belong to their step."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from composer.algorithms import LabelSmoothing
from composer.core import Event
from timm.data.mixup import Mixup, mixup_target

from algorithms.mixup_cutmix import MixUpCutMix, mix
from algorithms.registry import build_algorithms
from bench.algorithm_settings import validate_algorithms
from bench.data.loader import reseed

SAMPLES, CLASSES = 8, 10
DRAW = torch.Generator().manual_seed(0)
IMAGES = torch.rand(SAMPLES, 3, 16, 16, generator=DRAW)
LABELS = torch.randint(CLASSES, (SAMPLES,), generator=DRAW)
LOGITS = torch.zeros(SAMPLES, CLASSES)
REVERSED = torch.arange(SAMPLES).flip(0)


class Batch(SimpleNamespace):
    """What the algorithms use of Composer's state."""

    batch: list[torch.Tensor]

    def batch_set_item(self, key: int, value: torch.Tensor) -> None:
        self.batch[key] = value

    def batch_get_item(self, key: int) -> torch.Tensor:
        return self.batch[key]


def step(*algorithms: Any, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a batch's images as the network sees them and its labels as the loss does, in a step of a seed."""
    reseed(seed, 0, 0)
    state: Any = Batch(batch=[IMAGES.clone(), LABELS], outputs=LOGITS)
    for event in (Event.BEFORE_FORWARD, Event.BEFORE_LOSS):
        for algorithm in algorithms:
            if algorithm.match(event, state):
                algorithm.apply(event, state, cast("Any", None))
    return tuple(state.batch)


def test_mixup_is_timms() -> None:
    """Timm mixes a batch with itself in reverse."""
    reseed(1, 0, 0)
    mixed, others, weight = mix(IMAGES, LABELS, REVERSED, 0.8, cut=False)
    theirs = Mixup(mixup_alpha=0.8, num_classes=CLASSES, label_smoothing=0.0)
    theirs._params_per_batch = lambda: (1 - weight, False)
    images, targets = theirs(IMAGES.clone(), LABELS)
    torch.testing.assert_close(mixed, images)
    assert torch.equal(others, LABELS.flip(0))
    torch.testing.assert_close(targets, mixup_target(LABELS, CLASSES, lam=1 - weight))


@pytest.mark.parametrize("seed", range(5))
def test_cutmix_puts_in_as_many_pixels_as_its_weight_says(seed: int) -> None:
    reseed(seed, 0, 0)
    mixed, others, weight = mix(IMAGES, LABELS, REVERSED, 1.0, cut=True)
    own, other = (mixed == IMAGES).all(1), (mixed == IMAGES.flip(0)).all(1)
    assert (own | other).all(), "every pixel is of one of the two"
    assert (~own).float().mean(dim=(1, 2)).tolist() == pytest.approx([weight] * SAMPLES)
    assert torch.equal(others, LABELS.flip(0))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_labels_are_blended_then_smoothed_as_timm_does(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "randperm", lambda number: torch.arange(number).flip(0))
    chosen = validate_algorithms({"label_smoothing": {"smoothing": 0.1}, "mixup_cutmix": {"cutmix_share": share}})
    mixing, smoothing = build_algorithms(chosen)
    assert isinstance(mixing, MixUpCutMix)
    assert isinstance(smoothing, LabelSmoothing)
    _, labels = step(mixing, smoothing, seed=3)
    wanted = mixup_target(LABELS, CLASSES, lam=1 - mixing._weight, smoothing=0.1)
    torch.testing.assert_close(labels, wanted)
    assert labels.sum(1).tolist() == pytest.approx([1.0] * SAMPLES)


def test_the_two_take_turns_by_the_step_alone() -> None:
    """The same seed gives the same batch, whatever came before; over steps CutMix has about its share."""

    def is_cut(seed: int) -> bool:
        images, _ = step(MixUpCutMix(cutmix_share=0.25), seed=seed)
        return bool((images.flatten(1)[:, None] == IMAGES.flatten(1)).any(1).float().mean() > 0.9)

    turns = [is_cut(seed) for seed in range(200)]
    assert 30 <= sum(turns) <= 70
    assert [is_cut(seed) for seed in (7, 3)] == [turns[7], turns[3]]
    first, again = (step(MixUpCutMix(), seed=5) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
