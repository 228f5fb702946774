"""Some of a split's images, chosen by a key: the same for everybody, whatever network they are shown to."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from bench.data.augmentation.keyed import keyed_permutation
from bench.data.datasets import Split

SEED = 2019


def choose(images: int, number: int | None) -> Tensor:
    """Return the ascending rows of `number` of a split's images, of all for None or where there are no more."""
    return keyed_permutation(SEED, 0, images)[:number].sort().values


def take(split: Split, rows: Tensor) -> Split:
    """Return some rows of a split, which know where in their file they are from."""
    chosen = rows.numpy()
    source = np.arange(len(split)) if split.source_rows is None else split.source_rows
    return replace(split, images=split.images[chosen], labels=split.labels[chosen], source_rows=source[chosen])


def source_rows(split: Split) -> Tensor:
    """Return the row of its file that each image of a split is from."""
    return torch.arange(len(split)) if split.source_rows is None else torch.from_numpy(split.source_rows)
