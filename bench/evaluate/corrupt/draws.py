"""Random numbers of corruptions: an image's depend on its row in its file, the kind and the severity alone."""

import math
import zlib

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor

from bench.data.augmentation.keyed import keyed_bits
from bench.evaluate.subset import SEED

Floats = NDArray[np.float64]


class Draws:
    """Draw numbers for a batch, whose images have the rows `rows` (int64, N); each call draws new ones."""

    def __init__(self, kind: str, severity: int, rows: Tensor) -> None:
        self.rows, self._key, self._used = rows, zlib.crc32(f"{kind} {severity}".encode()), 0

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Floats:
        """Return N×shape numbers, uniform between `low` and `high`, neither of which is drawn."""
        count = math.prod(shape)
        bits = keyed_bits(SEED, self._key, self.rows, range(self._used, self._used + count)).numpy()
        self._used += count
        return low + (high - low) * ((bits.T + 0.5) * 2.0**-32).reshape(len(self.rows), *shape)

    def normal(self, *shape: int) -> Floats:
        """Return N×shape standard normal numbers."""
        return np.asarray(ndtri(self.uniform(*shape)))

    def integers(self, *shape: int, low: int, high: int) -> NDArray[np.int64]:
        """Return N×shape integers from `low` to `high` − 1."""
        return np.floor(self.uniform(*shape, low=low, high=high)).astype(np.int64)
