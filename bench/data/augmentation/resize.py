"""Resize batches of uint8 images with Pillow's antialiased bilinear filter: integer weights, the same bits everywhere.

A pass along one axis is a weighted sum of a few neighbours in fixed point (22 bits), rounded to a byte; columns first,
then rows, as Pillow does it.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.data.augmentation.transfer import to_device

PRECISION = 22
HALF = 1 << (PRECISION - 1)


class Taps(NamedTuple):
    """For each of `size` output places: its k neighbours along the axis (k×size), and their fixed-point weights."""

    places: NDArray[np.int64]
    weights: NDArray[np.int32]


@lru_cache(maxsize=64)
def bilinear_taps(length: int, size: int) -> Taps:
    """Return the taps that take an axis of `length` pixels to one of `size`; weights sum to about 2²².

    A triangle filter, widened by the factor of reduction (`precompute_coeffs` in Pillow's Resample.c).
    """
    scale = length / size
    support = max(scale, 1.0)
    width = math.ceil(support) * 2 + 1
    places = np.zeros((width, size), np.int64)
    weights = np.zeros((width, size), np.int32)
    for out in range(size):
        centre = (out + 0.5) * scale
        first, last = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), length)
        offsets = [(place - centre + 0.5) / support for place in range(first, last)]
        shares = [max(0.0, 1.0 - abs(offset)) for offset in offsets]
        total = sum(shares)
        for tap, share in enumerate(shares):
            places[tap, out] = first + tap
            weights[tap, out] = int(0.5 + share / total * (1 << PRECISION))
    used = weights.any(axis=1)
    return Taps(places[used], weights[used])


def resize_axis(images: Tensor, axis: int, size: int) -> Tensor:
    """Return uint8 images with one axis resized to `size` pixels."""
    taps = bilinear_taps(images.shape[axis], size)
    shape = [1] * images.ndim
    shape[axis] = size
    total = torch.full((), HALF, dtype=torch.int32, device=images.device)
    for places, weights in zip(taps.places, taps.weights, strict=True):
        chosen = images.index_select(axis, to_device(places, images.device)).int()
        total = chosen.mul_(to_device(weights, images.device).view(shape)).add_(total)
    # Weights are not negative and sum to at most a little over one: only the upper bound could be passed.
    return total.bitwise_right_shift_(PRECISION).clamp_(max=255).to(torch.uint8)


def resize(images: Tensor, size: int) -> Tensor:
    """Return uint8 N×H×W×3 images as N×size×size×3, bit-equal to Pillow's `resize` with its bilinear filter."""
    for axis in (2, 1):
        if images.shape[axis] != size:
            images = resize_axis(images, axis, size)
    return images
