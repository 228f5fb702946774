"""Crop, flip and warp batches of uint8 images: every output pixel is one input pixel or black.

The arithmetic is that of Pillow's nearest-neighbour affine transform: 16.16 fixed point, coordinates at pixel centres.
Whatever moves whole rows (crop, translation, horizontal shear) copies runs of memory, about ten times as fast as the
gather of single pixels that vertical shear and rotation need.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.data.augmentation.transfer import to_device

Matrix = tuple[float, float, float, float, float, float]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Coefficients = NDArray[np.int32]
ONE = 1 << 16


def shear_x(slope: float) -> Matrix:
    """Return the matrix that takes an output point to the input point of a horizontal shear about the corner."""
    return 1.0, math.tan(math.radians(math.degrees(math.atan(slope)))), 0.0, 0.0, 1.0, 0.0


def shear_y(slope: float) -> Matrix:
    """Return the matrix that takes an output point to the input point of a vertical shear about the corner."""
    angle = math.radians(math.degrees(math.atan(slope)))
    return 1.0, 0.0, 0.0, math.sin(angle) / math.cos(angle), 1.0, 0.0


def translation(right: int, down: int) -> Matrix:
    """Return the matrix that takes an output point to the input point of a shift in whole pixels."""
    return 1.0, 0.0, -float(right), 0.0, 1.0, -float(down)


def rotation(degrees: float, height: int, width: int) -> Matrix:
    """Return the matrix that takes an output point to the input point of a counter-clockwise turn about the centre."""
    angle = -math.radians(degrees % 360.0)
    # Rounding makes quarter turns exact.
    cosine, sine = round(math.cos(angle), 15), round(math.sin(angle), 15)
    x, y = width / 2, height / 2
    return cosine, sine, cosine * -x + sine * -y + x, -sine, cosine, -sine * -x + cosine * -y + y


def fixed_point(matrix: Matrix) -> Coefficients:
    """Return (a, …, f) such that output pixel (x, y) is input pixel ((a x + b y + c) >> 16, (d x + e y + f) >> 16)."""
    a, b, c, d, e, f = matrix
    centred = (a, b, c + a * 0.5 + b * 0.5, d, e, f + d * 0.5 + e * 0.5)
    return np.array([math.floor(value * ONE + 0.5) for value in centred], np.int32)


def warp_(images: Tensor, coefficients: Coefficients) -> Tensor:
    """Transform N×H×W×3 images in place by N×6 fixed-point coefficients; what comes from outside is black.

    One gather of pixels. Coordinates are clamped into a border of one black pixel, so that none needs a mask.
    """
    number, height, width, channels = images.shape
    bordered = images.new_zeros(number, height + 2, width + 2, channels)
    bordered[:, 1:-1, 1:-1] = images
    a, b, c, d, e, f = coefficients.T[:, :, None]
    out_x, out_y = np.arange(width, dtype=np.int32), np.arange(height, dtype=np.int32)
    x = _outer_sum(b * out_y + c, a * out_x, images.device).bitwise_right_shift_(16).clamp_(-1, width)
    y = _outer_sum(e * out_y + f, d * out_x, images.device).bitwise_right_shift_(16).clamp_(-1, height)
    first = np.arange(number, dtype=np.int32) * ((height + 2) * (width + 2)) + width + 3
    index = y.mul_(width + 2).add_(x).add_(to_device(first, images.device).view(-1, 1, 1))
    torch.index_select(bordered.view(-1, channels), 0, index.view(-1), out=images.view(-1, channels))
    return images


def _outer_sum(by_row: NDArray[np.int32], by_column: NDArray[np.int32], device: torch.device) -> Tensor:
    """Return the sum (N×H×W) of a number for each image and row (N×H) and one for each image and column (N×W)."""
    return to_device(by_row, device).unsqueeze(2) + to_device(by_column, device).unsqueeze(1)


def slide_(images: Tensor, coefficients: Coefficients) -> Tensor:
    """Do what `warp_` does, for transforms that only move each row sideways and rows up or down.

    These are horizontal shear and translation: a = 1, d = 0, e = 1 in fixed point.
    """
    number, height, _, _ = images.shape
    _, b, c, _, _, f = coefficients.T[:, :, None]
    out_y = np.arange(height)
    everyone = np.arange(number)
    return move_rows(copy_guarded(images, everyone), everyone, out_y + (f >> 16), (b * out_y + c) >> 16, images)


def crop_flip(
    images: Tensor, chosen: Integers, top: Integers, left: Integers, flip: Flags, padding: int, reflect: bool = False
) -> Tensor:
    """Return chosen images, each cut out of its padded self at (top, left), then mirrored if `flip`.

    Args:
        images: uint8 N×H×W×3.
        chosen: the places in `images` of the B images of the result.
        top: (B,), in [0, 2 × padding]; so is `left`.
        flip: (B,), which images are mirrored.
        padding: pixels added on every side, fewer than an image has where it is reflected.
        reflect: pad with the image mirrored at its border, without repeating the border, in place of black.
    """
    if reflect and padding:
        return crop_flip_reflected(images, chosen, top - padding, left - padding, flip)
    mirrored_last = np.argsort(flip, kind="stable")
    sources = copy_guarded(images, chosen[mirrored_last])
    mirrored = sources.images[len(flip) - np.count_nonzero(flip) :]
    mirrored.copy_(mirrored.flip(2))
    # Mirroring first turns the distance from the left into one from the right.
    shift = np.where(flip, padding - left, left - padding)[:, None]
    row = np.arange(images.shape[1]) + (top - padding)[:, None]
    return move_rows(sources, inverse(mirrored_last), row, shift, torch.empty_like(sources.images))


def crop_flip_reflected(images: Tensor, chosen: Integers, top: Integers, left: Integers, flip: Flags) -> Tensor:
    """Return chosen images moved by (top, left) with their outside reflected, then mirrored if `flip`: one gather."""
    _, height, width, channels = images.shape
    columns = np.where(flip[:, None], np.arange(width)[::-1], np.arange(width))
    row = (_reflected(np.arange(height) + top[:, None], height) + chosen[:, None] * height) * width
    column = _reflected(columns + left[:, None], width)
    index = to_device(row, images.device).unsqueeze(2) + to_device(column, images.device).unsqueeze(1)
    pixels = images.reshape(-1, channels).index_select(0, index.view(-1))
    return pixels.view(len(chosen), height, width, channels)


def _reflected(places: Integers, length: int) -> Integers:
    """Return coordinates outside an axis mirrored at its first and last pixel."""
    return (length - 1) - np.abs((length - 1) - np.abs(places))


class Guarded(NamedTuple):
    """Images (N×H×W×C) inside a longer stretch of memory: a row before them, two after, of which the last is black."""

    memory: Tensor
    images: Tensor


def copy_guarded(images: Tensor, chosen: Integers) -> Guarded:
    """Return copies of chosen images; rows read a little beyond their ends still lie in memory."""
    _, height, width, channels = images.shape
    size, row = height * width * channels, width * channels
    memory = images.new_empty(len(chosen) * size + 3 * row)
    memory[-row:] = 0
    inside = memory[row : -2 * row].view(len(chosen), size)
    torch.index_select(images.flatten(1), 0, to_device(chosen, images.device), out=inside)
    return Guarded(memory, inside.view(-1, height, width, channels))


def move_rows(sources: Guarded, source: Integers, row: Integers, shift: Integers, result: Tensor) -> Tensor:
    """Fill images with moved rows: row y of image k is row[k, y] of source[k], moved left by shift[k, y] pixels.

    What comes from outside is black. Rows are copied as runs of memory; then columns from outside are masked.
    """
    number, height, width, channels = result.shape
    length = width * channels
    shift = np.clip(shift, -width, width)
    first = (source[:, None] * height + row + 1) * length + shift * channels
    black = len(sources.memory) - length
    starts = to_device(np.where((row >= 0) & (row < height), first, black), result.device)
    every = sources.memory.as_strided((black + 1, length), (1, 1))
    torch.index_select(every, 0, starts.view(-1), out=result.view(-1, length))
    keep = column_masks(width, channels, result.device).index_select(
        0, to_device(shift + width, result.device).view(-1)
    )
    result.view(number, height, length).bitwise_and_(keep.view(number, -1, length))
    return result


@lru_cache(maxsize=16)
def column_masks(width: int, channels: int, device: torch.device) -> Tensor:
    """Return, for each shift from -width to width, 255 where a row moved left by it has a source and 0 where not."""
    source = np.arange(width) + np.arange(-width, width + 1)[:, None]
    inside = (source >= 0) & (source < width)
    return to_device(inside.repeat(channels, axis=1).astype(np.uint8) * 255, device)


def inverse(permutation: Integers) -> Integers:
    """Return the permutation that undoes one."""
    result = np.empty_like(permutation)
    result[permutation] = np.arange(len(permutation))
    return result
