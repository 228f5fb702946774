"""The loader: who sees which sample when, and that the pixels do not depend on how the work is cut."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.datasets import Dataset, load_dataset
from bench.data.loader import EvalLoader, Shard, TrainLoader, check_batch_size, eval_parts, reseed
from bench.spec import AugmentationSection
from bench.util.duration import Duration
from bench.util.errors import BadInput

CPU = torch.device("cpu")
ALONE = Shard()
DECK = AugmentationSection(policy="trivial_augment_wide", erasing=0.5)


@pytest.fixture(scope="module")
def dataset(small_data: Path) -> Dataset:
    return load_dataset("shapes100", small_data, "test")


def train_loader(dataset: Dataset, batch_size: int = 64, shard: Shard = ALONE, seed: int = 7) -> TrainLoader:
    return TrainLoader(dataset, DECK, batch_size=batch_size, seed=seed, device=CPU, shard=shard)


def seen(loader: TrainLoader, epoch: int) -> dict[int, torch.Tensor]:
    """Return the pixels of every sample of an epoch by its index."""
    batches = list(loader.batches(epoch))
    images = (batch for batch, _ in loader.load(batches, epoch, 0))
    pairs = (zip(indices.tolist(), batch, strict=True) for indices, batch in zip(batches, images, strict=True))
    return {index: image for pair in pairs for index, image in pair}


def test_an_epoch_visits_every_sample_once_and_the_next_in_another_order(dataset: Dataset) -> None:
    loader = train_loader(dataset)
    first = torch.cat(list(loader.batches(0)))
    second = torch.cat(list(loader.batches(1)))
    assert sorted(first.tolist()) == list(range(640))
    assert sorted(second.tolist()) == list(range(640))
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("world_size", [2, 4])
def test_the_ranks_together_see_the_global_batch(dataset: Dataset, world_size: int) -> None:
    whole = list(train_loader(dataset).batches(3))
    parts = [list(train_loader(dataset, shard=Shard(rank, world_size)).batches(3)) for rank in range(world_size)]
    for number, batch in enumerate(whole):
        together = torch.cat([part[number] for part in parts])
        assert sorted(together.tolist()) == sorted(batch.tolist())
        assert {len(part[number]) for part in parts} == {64 // world_size}


@pytest.mark.parametrize(("world_size", "batch_size"), [(1, 128), (2, 64), (4, 32)])
def test_pixels_depend_on_seed_epoch_and_index_alone(dataset: Dataset, world_size: int, batch_size: int) -> None:
    alone = seen(train_loader(dataset, batch_size=64), 2)
    cut: dict[int, torch.Tensor] = {}
    for rank in range(world_size):
        cut |= seen(train_loader(dataset, batch_size=batch_size, shard=Shard(rank, world_size)), 2)
    assert alone.keys() == cut.keys()
    assert all(torch.equal(alone[index], cut[index]) for index in alone)


def test_another_epoch_or_seed_gives_other_pixels(dataset: Dataset) -> None:
    base, later = seen(train_loader(dataset), 0), seen(train_loader(dataset), 1)
    other = seen(train_loader(dataset, seed=8), 0)
    assert sum(torch.equal(base[i], later[i]) for i in base) < len(base) / 10
    assert sum(torch.equal(base[i], other[i]) for i in base) < len(base) / 10


def test_iterating_yields_what_batches_and_load_say(dataset: Dataset) -> None:
    loader = train_loader(dataset)
    loader.epoch = 1
    images, labels = next(iter(loader))
    indices = next(loader.batches(1))
    assert torch.equal(images, next(loader.load([indices], 1, 0))[0])
    assert torch.equal(labels, torch.as_tensor(dataset.train.labels)[indices])
    assert images.shape == (64, 3, 32, 32)
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_nchw_is_contiguous(dataset: Dataset) -> None:
    loader = TrainLoader(dataset, DECK, batch_size=64, seed=0, device=CPU, channels_last=False)
    assert next(iter(loader))[0].is_contiguous()


def test_a_partial_batch_is_dropped(dataset: Dataset) -> None:
    assert len(train_loader(dataset, batch_size=100)) == 6
    assert len(list(train_loader(dataset, batch_size=100).batches(0))) == 6


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 128), st.integers(1, 9))
def test_evaluation_covers_every_image_once_in_equally_many_batches(samples: int, batch: int, world: int) -> None:
    if samples < world:
        with pytest.raises(BadInput, match="fewer than"):
            eval_parts(samples, batch, Shard(0, world))
        return
    parts = [eval_parts(samples, batch, Shard(rank, world)) for rank in range(world)]
    everything = torch.cat([torch.cat(list(part)) for part in parts])
    assert sorted(everything.tolist()) == list(range(samples))
    assert len({len(part) for part in parts}) == 1
    assert min(len(indices) for part in parts for indices in part) >= 1


def test_evaluation_is_not_augmented(dataset: Dataset) -> None:
    loader = EvalLoader(dataset, batch_size=50, device=CPU)
    images, labels = (torch.cat(column) for column in zip(*loader, strict=True))
    assert len(labels) == 211
    mean, std = (torch.tensor(part).view(3, 1, 1) for part in (dataset.mean, dataset.std))
    expected = (torch.as_tensor(dataset.evaluation.images[0].copy()).permute(2, 0, 1) / 255 - mean) / std
    assert torch.allclose(images[0], expected, atol=1e-6)


def test_reseed_depends_on_seed_step_and_rank() -> None:
    def draw(*key: int) -> float:
        reseed(*key)
        return torch.rand(1).item()

    assert draw(1, 2, 3) == draw(1, 2, 3)
    assert len({draw(1, 2, 3), draw(2, 2, 3), draw(1, 3, 3), draw(1, 2, 4)}) == 4


def test_a_batch_that_the_ranks_cannot_share_is_refused() -> None:
    with pytest.raises(BadInput, match=r"128 cannot be divided over 3 .* batch_size=129"):
        check_batch_size(128, 3)
    with pytest.raises(BadInput, match="larger than the training split"):
        check_batch_size(128, 2, 100)


SIZES = AugmentationSection(policy="trivial_augment_wide", erasing=0.5, sizes=((0.3, 20), (0.5, 24), (1.0, 32)))


def sizes_of(loader: TrainLoader, epoch: int, first: int = 0) -> list[torch.Tensor]:
    loader.epoch, loader.first_batch = epoch, first
    return [images for images, _ in loader]


def test_sizes_change_at_their_shares_of_the_run_also_in_mid_epoch_and_after_a_resume(dataset: Dataset) -> None:
    # 10 batches an epoch, 15 in all: 20 px before step 4.5, 24 px before 7.5, then 32 px.
    loader = TrainLoader(dataset, SIZES, batch_size=64, seed=7, device=CPU, duration=Duration.parse("15ba"))
    first, second = sizes_of(loader, 0), sizes_of(loader, 1)
    assert [images.shape[-1] for images in (*first, *second)] == [20] * 5 + [24] * 3 + [32] * 12
    resumed = sizes_of(loader, 0, first=3)
    assert all(torch.equal(one, other) for one, other in zip(first[3:], resumed, strict=True))
    assert torch.equal(first[9], sizes_of(train_loader(dataset), 0)[9]), "the full size is as without sizes"


def test_first_images_are_the_same_for_every_rank(dataset: Dataset) -> None:
    ours, theirs = (train_loader(dataset, shard=Shard(rank, 2)).first_images(50) for rank in range(2))
    assert torch.equal(ours, theirs)
    assert ours.shape == (50, 3, 32, 32)
    assert len(train_loader(dataset).first_images(10_000)) == 640
