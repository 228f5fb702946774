"""Compare the augmentation with torchvision's per-image pipeline: images/s on one thread, seconds of an epoch."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms

from bench.data.augmentation.augment import train_batch, train_batches
from bench.data.augmentation.keyed import keyed_permutation
from bench.data.datasets import load_dataset
from bench.speed.augment_costs import operation_costs, step_costs
from bench.speed.augment_table import ALONE, OURS, THEIRS, augment_table
from bench.speed.command import augment_parser, check, describe, publish
from bench.speed.timing import Times, Work, spread, take_turns
from bench.util.cli import OK
from bench.util.errors import BadInput

MEAN, STD = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)
DECK = SimpleNamespace(crop_padding=4, flip=True, policy="trivial_augment_wide", erasing=0.5)
MANY = 6144  # images per turn of ours: eight chunks


def load_images(name: str | None) -> tuple[str, Tensor]:
    """Return the training images of a data set: the one named, else CIFAR-100 if it is there, else the embedded one."""
    try:
        data = load_dataset(name or "cifar100")
    except BadInput:
        if name:
            raise
        data = load_dataset("shapes100")
    return data.name, torch.from_numpy(np.array(data.train.images))


def their_pipeline(size: int) -> Callable[[Image.Image], Tensor]:
    """Return the deck's recipe as it is written with torchvision."""
    return transforms.Compose(
        [
            transforms.RandomCrop(size, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.TrivialAugmentWide(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
            transforms.RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0),
        ]
    )


def run_theirs(images: Tensor, batch_size: int) -> None:
    """Augment images one by one with torchvision, and stack them into batches as a DataLoader does."""
    pipeline, arrays = their_pipeline(images.shape[1]), images.numpy()
    for start in range(0, len(arrays), batch_size):
        torch.stack([pipeline(Image.fromarray(array)) for array in arrays[start : start + batch_size]])


def run_ours(images: Tensor, batches: Sequence[Tensor]) -> None:
    """Augment the named batches of a resident data set as training does."""
    for _ in train_batches(images, batches, seed=0, epoch=0, augmentation=DECK, mean=MEAN, std=STD):
        pass


def run_alone(images: Tensor, batches: Sequence[Tensor]) -> None:
    """Augment the named batches one at a time."""
    for batch in batches:
        chosen = images.index_select(0, batch)
        train_batch(chosen, batch, seed=0, epoch=0, augmentation=DECK, mean=MEAN, std=STD)


def compare(images: Tensor, batch_size: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Return images/s of torchvision's pipeline and of ours on one thread, measured in turns, and their ratios."""
    order = keyed_permutation(0, 0, len(images))
    batches = order[:MANY].split(batch_size)
    sample = images.index_select(0, order[:batch_size])
    works: dict[str, Work] = {
        THEIRS: lambda: run_theirs(sample, batch_size),
        OURS: lambda: run_ours(images, batches),
        ALONE: lambda: run_alone(images, batches),
    }
    times = take_turns(works, rounds)
    counts = {THEIRS: len(sample), OURS: len(order[:MANY]), ALONE: len(order[:MANY])}
    return {name: _rates(times[name], counts[name], times[THEIRS], counts[THEIRS]) for name in works}


def _rates(mine: Times, count: int, theirs: Times, their_count: int) -> dict[str, Any]:
    """Return images/s and the ratio to torchvision's, by both clocks, with every round's value."""
    result: dict[str, Any] = {}
    for clock in ("wall", "processor"):
        rates = [count / seconds for seconds in getattr(mine, clock)]
        ratios = [rate * s / their_count for rate, s in zip(rates, getattr(theirs, clock), strict=True)]
        result[clock] = {"rate": spread(rates)._asdict(), "ratio": spread(ratios)._asdict(), "rates": rates}
    return result


def epoch_seconds(images: Tensor, batch_size: int, threads: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Return the seconds that the data of one epoch alone take, on one thread and on several, measured in turns.

    Several threads share the epoch's batches as several workers would: each augments its own on one core.
    """
    batches = keyed_permutation(0, 0, len(images)).split(batch_size)

    def epoch(count: int) -> None:
        """Augment the epoch once, on a number of threads."""
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(lambda worker: run_ours(images, batches[worker::count]), range(count)))

    works = {str(count): (lambda count=count: epoch(count)) for count in sorted({1, threads})}
    times = take_turns(works, rounds)
    return {
        count: {clock: spread(getattr(taken, clock))._asdict() for clock in ("wall", "processor")}
        for count, taken in times.items()
    }


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and write the numbers where asked."""
    options = augment_parser().parse_args(arguments)
    check(options, {"batch": 2048, "rounds": 1000, "threads": 1024})
    torch.set_num_threads(1)
    name, images = load_images(options.data)
    numbers = {
        **describe("augment", arguments),
        **measure(name, images, options.batch, options.rounds, options.threads),
    }
    publish(numbers, augment_table(numbers), options)
    return OK


def measure(name: str, images: Tensor, batch_size: int, rounds: int, threads: int) -> dict[str, Any]:
    """Return all measurements."""
    return {
        "data": name,
        "images": len(images),
        "pixels": images.shape[1] * images.shape[2],
        "batch_size": batch_size,
        "pipelines": compare(images, batch_size, rounds),
        "operations": operation_costs(images),
        "steps": step_costs(images, keyed_permutation(0, 0, len(images)), batch_size, DECK),
        "epoch": epoch_seconds(images, batch_size, threads, max(3, rounds // 3)),
    }
