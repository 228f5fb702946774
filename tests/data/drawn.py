"""The first images of shapes100 at once, where `bench.data.shapes100` draws them in batches."""

import numpy as np
from numpy.typing import NDArray

from bench.data.shapes100 import batches


def draw(split: str, count: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the first `count` images and labels of a split."""
    parts = list(batches(split, count, seed))
    return np.concatenate([images for images, _ in parts]), np.concatenate([labels for _, labels in parts])
