"""The whole pipeline: bit-equal to torchvision's given the same draws; the same for any batch, order, rank or chunk."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional as tv

from bench.data.augmentation import augment
from bench.data.augmentation.augment import eval_batch, grouped, train_batch, train_batches
from bench.data.augmentation.plan import make_plan
from bench.data.augmentation.resize import resize
from bench.spec import AugmentationSection
from bench.util.errors import BadInput
from tests.data.augmentation.reference import (
    DECK,
    MEAN,
    STD,
    drawn_images,
    real_images,
    recipe,
    same_bits,
    their_bytes,
    their_sample,
    train_bytes,
)

POLICIES = ["none", "trivial_augment_wide", "rand_augment", "auto_augment"]
COUNT = 300
IMAGES = torch.from_numpy(drawn_images(COUNT))
INDICES = torch.arange(COUNT)


def ours(
    augmentation: SimpleNamespace, images: Tensor = IMAGES, indices: Tensor = INDICES, **changes: object
) -> Tensor:
    options = {"seed": 3, "epoch": 5, "mean": MEAN, "std": STD, **changes}
    return train_batch(images, indices, augmentation=augmentation, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("source", ["drawn", "real"])
def test_equals_torchvision_given_the_same_draws(policy: str, source: str) -> None:
    images = IMAGES if source == "drawn" else torch.from_numpy(real_images(COUNT))
    augmentation = recipe(policy=policy)
    batch = ours(augmentation, images)
    plan = make_plan(INDICES, seed=3, epoch=5, augmentation=augmentation, size=(32, 32))
    for sample, image in enumerate(images.numpy()):
        assert same_bits(batch[sample], their_sample(image, plan, sample, 4, policy)), sample


@pytest.mark.parametrize(
    "changes",
    [{"crop_padding": 0}, {"crop_padding": 16}, {"flip": False}, {"erasing": 0.0}, {"erasing": 1.0}, {"num_ops": 5}],
    ids=str,
)
def test_equals_torchvision_with_other_settings(changes: dict[str, object]) -> None:
    augmentation = recipe(policy="rand_augment", magnitude=14, **changes)
    batch = ours(augmentation)
    plan = make_plan(INDICES, seed=3, epoch=5, augmentation=augmentation, size=(32, 32))
    assert len(plan.stages) == changes.get("num_ops", 2)
    for sample in range(0, COUNT, 5):
        theirs = their_sample(IMAGES[sample].numpy(), plan, sample, augmentation.crop_padding, "rand_augment")
        assert same_bits(batch[sample], theirs)


@pytest.mark.parametrize("size", [(20, 33), (48, 31), (8, 64)])
def test_equals_torchvision_at_other_sizes(size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (60, *size, 3), np.uint8)
    batch = ours(DECK, torch.from_numpy(images), torch.arange(60))
    plan = make_plan(torch.arange(60), seed=3, epoch=5, augmentation=DECK, size=size)
    for sample, image in enumerate(images):
        assert same_bits(batch[sample], their_sample(image, plan, sample, 4, DECK.policy))


def test_bytes_are_what_is_normalised() -> None:
    augmentation = recipe(erasing=0.0)
    changed = train_bytes(IMAGES, INDICES, seed=3, epoch=5, augmentation=augmentation)
    assert changed.dtype == torch.uint8
    plan = make_plan(INDICES, seed=3, epoch=5, augmentation=augmentation, size=(32, 32))
    for sample in range(0, COUNT, 10):
        theirs = their_bytes(IMAGES[sample].numpy(), plan, sample, 4, augmentation.policy)
        assert np.array_equal(changed[sample].numpy(), np.array(theirs))
    assert same_bits(eval_batch(changed, mean=MEAN, std=STD), ours(augmentation))


def test_accepts_the_section_of_the_spec() -> None:
    section = AugmentationSection(crop_padding=4, flip=True, policy="trivial_augment_wide", erasing=0.5)
    batch = train_batch(IMAGES, INDICES, seed=3, epoch=5, augmentation=section, mean=MEAN, std=STD)
    assert same_bits(batch, ours(DECK))


def test_eval_batch_is_torchvisions_normalisation_of_every_value() -> None:
    values = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(1, 16, 16, 3)
    theirs = tv.normalize(tv.to_tensor(values[0].numpy()), MEAN, STD)
    batch = eval_batch(values, mean=MEAN, std=STD)
    assert same_bits(batch[0], theirs)
    assert batch.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_dtypes_are_float32_rounded_once(dtype: torch.dtype) -> None:
    batch = ours(DECK, dtype=dtype)
    assert batch.dtype == dtype
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batch, ours(DECK).to(dtype))


def test_shape_and_memory_format() -> None:
    batch = ours(DECK)
    assert batch.shape == (COUNT, 3, 32, 32)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert ours(DECK, IMAGES[:1], INDICES[:1]).shape == (1, 3, 32, 32)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_sample_is_the_same_in_any_batch_and_order(policy: str) -> None:
    augmentation = recipe(policy=policy)
    whole = ours(augmentation)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(1))
    for size in (1, 7, 128):
        chosen = order[:size]
        assert same_bits(ours(augmentation, IMAGES[chosen], chosen), whole[chosen])
    twice = torch.tensor([5, 5, 9])
    assert same_bits(ours(augmentation, IMAGES[twice], twice), whole[twice])


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_a_sample_is_the_same_at_any_world_size(world_size: int) -> None:
    whole = ours(DECK)
    for rank in range(world_size):
        mine = INDICES[rank::world_size]
        assert same_bits(ours(DECK, IMAGES[mine], mine), whole[mine])


def test_seed_epoch_and_index_all_matter() -> None:
    base = ours(DECK)
    for changes in ({"seed": 4}, {"epoch": 6}, {"indices": INDICES + 1}):
        other = ours(DECK, **changes)
        assert (base != other).flatten(1).any(1).float().mean() > 0.9


def test_global_random_state_is_neither_read_nor_written() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    one = ours(DECK)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(9)
    assert same_bits(ours(DECK), one)


def test_inputs_are_left_alone_and_need_not_be_contiguous() -> None:
    planar = IMAGES.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    before = planar.clone()
    assert not planar.is_contiguous()
    assert same_bits(ours(DECK, planar), ours(DECK))
    assert same_bits(eval_batch(planar, mean=MEAN, std=STD), eval_batch(IMAGES, mean=MEAN, std=STD))
    assert torch.equal(planar, before)


@pytest.mark.parametrize(("planned", "capacity"), [(10_000, 1), (10_000, 64), (100, 100), (1, 64), (128, 10_000)])
def test_batches_together_equal_batches_alone(planned: int, capacity: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augment, "PLANNED", planned)
    monkeypatch.setattr(augment, "CPU_BYTES", capacity * 3072)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(2))
    batches = [*order[:192].split(32), order[192:193], order[193:]]
    options = {"seed": 3, "epoch": 5, "augmentation": DECK, "mean": MEAN, "std": STD}
    together = list(train_batches(IMAGES, iter(batches), **options))  # type: ignore[arg-type]
    assert len(together) == len(batches)
    for batch, indices in zip(together, batches, strict=True):
        assert same_bits(batch, ours(DECK, IMAGES[indices], indices))
        assert batch.is_contiguous(memory_format=torch.channels_last)
    # Resumed in the middle of an epoch, the rest is as it was.
    resumed = list(train_batches(IMAGES, batches[3:], **options))  # type: ignore[arg-type]
    assert all(map(same_bits, resumed, together[3:]))


def test_groups_hold_as_many_batches_as_fit() -> None:
    batches = [torch.arange(size) for size in (3, 3, 3, 9, 1)]
    assert [[len(batch) for batch in group] for group in grouped(batches, 6)] == [[3, 3], [3], [9], [1]]
    assert list(grouped([], 6)) == []


def test_unknown_policy_names_the_nearest() -> None:
    with pytest.raises(BadInput, match="trivial_augment_wide"):
        ours(recipe(policy="trivial_augment"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("policy", POLICIES)
def test_a_gpu_gives_the_same_bits(policy: str) -> None:
    augmentation = recipe(policy=policy)
    expected = ours(augmentation)
    assert same_bits(ours(augmentation, IMAGES.cuda()).cpu(), expected)
    assert same_bits(ours(augmentation, IMAGES.cuda(), INDICES.cuda()).cpu(), expected)


@pytest.mark.parametrize("flip", [True, False, "alternating"])
@pytest.mark.parametrize("padding", [2, 4, 31])
def test_reflected_padding_equals_torchvision(flip: bool | str, padding: int) -> None:
    augmentation = recipe(crop_padding=padding, padding_mode="reflect", policy="none", erasing=0.0, flip=flip)
    changed = train_bytes(IMAGES, INDICES, seed=3, epoch=5, augmentation=augmentation).numpy()
    plan = make_plan(INDICES, seed=3, epoch=5, augmentation=augmentation, size=(32, 32))
    for sample in range(0, COUNT, 5):
        padded = tv.pad(Image.fromarray(IMAGES[sample].numpy()), padding, padding_mode="reflect")
        theirs = tv.crop(padded, int(plan.top[sample]), int(plan.left[sample]), 32, 32)
        assert np.array_equal(changed[sample], np.array(tv.hflip(theirs) if plan.flip[sample] else theirs))


def test_an_alternating_flip_is_drawn_once_and_changes_every_epoch() -> None:
    augmentation = recipe(flip="alternating")
    flips = [make_plan(INDICES, seed=3, epoch=e, augmentation=augmentation, size=(32, 32)).flip for e in range(4)]
    assert 0.3 < flips[0].mean() < 0.7
    assert np.array_equal(flips[0], make_plan(INDICES, seed=3, epoch=0, augmentation=DECK, size=(32, 32)).flip)
    assert all(np.array_equal(flip, flips[0] ^ bool(epoch % 2)) for epoch, flip in enumerate(flips))


def test_resized_batches_are_the_full_batches_resized() -> None:
    augmentation = recipe(erasing=0.0)
    (batch,) = train_batches(IMAGES, [INDICES], seed=3, epoch=5, augmentation=augmentation, mean=MEAN, std=STD, size=24)
    changed = train_bytes(IMAGES, INDICES, seed=3, epoch=5, augmentation=augmentation)
    assert same_bits(batch, eval_batch(resize(changed, 24), mean=MEAN, std=STD))
    (erased,) = train_batches(
        IMAGES, [INDICES], seed=3, epoch=5, augmentation=recipe(erasing=1.0), mean=MEAN, std=STD, size=24
    )
    assert erased.shape == (COUNT, 3, 24, 24)
    assert (erased == 0).any(dim=(1, 2, 3)).float().mean() > 0.9
