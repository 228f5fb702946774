"""Feed a run: resident images, keyed order, a global batch cut over the ranks, every image evaluated exactly once."""

import itertools
import random
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.data.augmentation.augment import eval_batch, train_batches
from bench.data.augmentation.keyed import keyed_permutation
from bench.data.datasets import Dataset, Split
from bench.data.readahead import reading_ahead
from bench.data.sizes import size_at
from bench.spec import AugmentationSection
from bench.util.duration import Duration
from bench.util.errors import BadInput

Batch = tuple[Tensor, Tensor]


class TrainBatch(tuple[Tensor, ...]):
    """(images, labels) that a deep copy shares.

    Composer copies every training batch before its step, for metrics that may want it unchanged; there are none here,
    and what changes a batch (MixUp, CutOut, …) puts another one in its place.
    """

    def __deepcopy__(self, memo: object) -> "TrainBatch":
        """Return the same batch."""
        return self


@dataclass(frozen=True)
class Shard:
    """Which process this is among those that share a run."""

    rank: int = 0
    world_size: int = 1


def check_batch_size(batch_size: int, world_size: int, train_samples: int | None = None) -> None:
    """Refuse a global batch that the ranks cannot share equally or that is larger than the training split."""
    if batch_size % world_size:
        near = max(1, round(batch_size / world_size)) * world_size
        raise BadInput(
            f"key 'batch_size': the global batch of {batch_size} cannot be divided over {world_size} processes; "
            f"use a multiple of {world_size} (for example batch_size={near}) or another -n"
        )
    if train_samples is not None and batch_size > train_samples:
        raise BadInput(f"key 'batch_size': {batch_size} is larger than the training split ({train_samples} images)")


def check_evaluation(samples: int, world_size: int) -> None:
    """Refuse an evaluation split that cannot give every process an image."""
    if samples < world_size:
        raise BadInput(f"the evaluation split has {samples} images, fewer than the {world_size} processes")


def reseed(seed: int, step: int, rank: int) -> None:
    """Seed torch, numpy and random from (seed, step, rank), so that a step's dropout or MixUp needs no history."""
    key = int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0]) >> 1
    # Not `torch.manual_seed`: without a GPU it formats the whole call stack at every call, for one that may come.
    torch.default_generator.manual_seed(key)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed(key)
    np.random.seed(key % 2**32)  # noqa: NPY002 - Composer's MixUp and CutMix draw from numpy's global generator
    random.seed(key)


def resident(split: Split, device: torch.device) -> Batch:
    """Return a split's images and labels on the device; on a CPU the images stay memory-mapped and shared."""
    with warnings.catch_warnings():
        # The map is read-only and torch cannot mark a tensor so; nothing here writes to it.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        images = torch.from_numpy(np.asarray(split.images))
    return images.to(device), torch.from_numpy(np.array(split.labels, dtype=np.int64)).to(device)


def layout(images: Tensor, channels_last: bool) -> Tensor:
    """Return images in the memory format that the model computes in."""
    return images if channels_last else images.contiguous()


class TrainLoader:
    """Iterate over one epoch's batches of this rank: (images B×3×H×W, labels B), the last partial batch dropped.

    The order of epoch e is a permutation keyed by (seed, e); the global batch b is its b-th slice, of which rank r
    takes every world_size-th sample. Set `epoch` before iterating. `reseed(seed, step, rank)` precedes every batch.

    The training split becomes resident on the device. `batch_size` is the global one; `duration` is the whole run's, of
    whose steps progressive sizes are shares.
    """

    def __init__(
        self,
        dataset: Dataset,
        augmentation: AugmentationSection,
        *,
        batch_size: int,
        seed: int,
        device: torch.device,
        shard: Shard = Shard(),
        channels_last: bool = True,
        duration: Duration | None = None,
    ) -> None:
        self.images, self.labels = resident(dataset.train, device)
        check_batch_size(batch_size, shard.world_size, len(self.labels))
        self.dataset, self.augmentation = dataset, augmentation
        self.global_batch_size, self.seed = batch_size, seed
        self.shard, self.channels_last = shard, channels_last
        self.batch_size = batch_size // shard.world_size
        counted = None if duration is None or duration.seconds is not None else duration
        self.steps = None if counted is None else counted.steps(len(self), batch_size)
        self.epoch = 0
        # Where the next iteration begins; only the first one of a resumed run begins later than at batch 0.
        self.first_batch = 0

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.labels) // self.global_batch_size

    def batches(self, epoch: int) -> Iterator[Tensor]:
        """Yield the indices of the samples that this rank sees in each batch of an epoch."""
        order = keyed_permutation(self.seed, epoch, len(self.labels))
        for batch in range(len(self)):
            whole = order[batch * self.global_batch_size : (batch + 1) * self.global_batch_size]
            yield whole[self.shard.rank :: self.shard.world_size]

    def __iter__(self) -> Iterator[TrainBatch]:
        """Yield the batches of the current epoch in order, from `first_batch` on."""
        epoch, first, self.first_batch = self.epoch, self.first_batch, 0
        loaded = self.load(itertools.islice(self.batches(epoch), first, None), epoch, epoch * len(self) + first)
        for batch in range(first, len(self)):
            # Before the batch is made or used: what the step then draws needs no history.
            reseed(self.seed, epoch * len(self) + batch, self.shard.rank)
            yield next(loaded)

    def first_images(self, number: int) -> Tensor:
        """Return the first `number` images of epoch 0 (at most all) without augmentation: normalised B×3×H×W."""
        indices = keyed_permutation(self.seed, 0, len(self.labels))[:number].to(self.images.device)
        return eval_batch(self.images.index_select(0, indices), mean=self.dataset.mean, std=self.dataset.std)

    def light_batches(self, epoch: int, number: int) -> Iterator[Tensor]:
        """Return the images of an epoch's first batches (at most all), only cropped and mirrored, at their own size."""
        images = train_batches(
            self.images,
            itertools.islice(self.batches(epoch), number),
            seed=self.seed,
            epoch=epoch,
            augmentation=self.augmentation.model_copy(update={"policy": "none", "erasing": 0.0}),
            mean=self.dataset.mean,
            std=self.dataset.std,
        )
        return (layout(batch, self.channels_last) for batch in images)

    def size_at(self, step: int) -> int | None:
        """Return to what size the images of a step of the run are resized, None for their own."""
        sizes = self.augmentation.sizes
        if sizes is None or self.steps is None:
            return None
        size = size_at(sizes, step, self.steps)
        return None if (size, size) == tuple(self.images.shape[1:3]) else size

    def load(self, batches: Iterable[Tensor], epoch: int, first_step: int) -> Iterator[TrainBatch]:
        """Yield the augmented images and the labels of batches, each given as the indices of its samples."""
        ahead, now = itertools.tee(batches)
        if self.images.device.type == "cpu":
            ahead = reading_ahead(self.dataset.train.images, ahead)
        numbered = itertools.groupby(enumerate(ahead, first_step), key=lambda item: self.size_at(item[0]))
        images = itertools.chain.from_iterable(
            train_batches(
                self.images,
                (batch for _, batch in group),
                seed=self.seed,
                epoch=epoch,
                augmentation=self.augmentation,
                mean=self.dataset.mean,
                std=self.dataset.std,
                size=size,
            )
            for size, group in numbered
        )
        for indices, batch in zip(now, images, strict=True):
            labels = self.labels.index_select(0, indices.to(self.labels.device))
            yield TrainBatch((layout(batch, self.channels_last), labels))


class EvalLoader:
    """Iterate over this rank's part of the evaluation split: every image on exactly one rank, none twice.

    All ranks yield the same number of batches (Composer synchronises after each), whose sizes differ by at most one.

    The evaluation split becomes resident on the device. `batch_size` is the most images of all ranks at once.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        batch_size: int,
        device: torch.device,
        shard: Shard = Shard(),
        channels_last: bool = True,
    ) -> None:
        self.images, self.labels = resident(dataset.evaluation, device)
        self.mean, self.std, self.channels_last = dataset.mean, dataset.std, channels_last
        self.parts = eval_parts(len(self.labels), batch_size, shard)
        self.batch_size = max(len(part) for part in self.parts)

    def __len__(self) -> int:
        """Return the number of batches, the same on all ranks."""
        return len(self.parts)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches in order."""
        for part in self.parts:
            there = part.to(self.labels.device)
            images = eval_batch(self.images.index_select(0, there), mean=self.mean, std=self.std)
            yield layout(images, self.channels_last), self.labels.index_select(0, there)


def eval_parts(samples: int, batch_size: int, shard: Shard) -> Sequence[Tensor]:
    """Return this rank's evaluation batches as index tensors; over all ranks they cover 0 … samples-1 exactly once.

    Raises BadInput when there are fewer samples than ranks: a rank without images cannot take part.
    """
    check_evaluation(samples, shard.world_size)
    # The number of parts is made from what every rank knows, so it is the same on all of them.
    wanted = -(-samples // batch_size)
    number = min(wanted, samples // shard.world_size)
    mine = torch.arange(shard.rank, samples, shard.world_size)
    return torch.tensor_split(mine, number)
