"""Random erasing (Zhong et al., AAAI 2020) of normalised batches: a box of zeros in a share of the images."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.data.augmentation.keyed import as_uniform
from bench.data.augmentation.policies import ERASE, ERASE_ATTEMPTS, ERASE_LEFT, ERASE_TOP, Draws, Integers
from bench.data.augmentation.transfer import to_device

Floats = NDArray[np.float64]
Range = tuple[float, float]
SCALE, RATIO = (0.02, 0.33), (0.3, 3.3)
ATTEMPTS = 10
NONE = -1


def box_sizes(area: Floats, ratio: Floats, height: int, width: int) -> tuple[Integers, Integers]:
    """Return the heights and widths of boxes of given areas (share of the image) and aspect ratios (height / width)."""
    pixels = area * (height * width)
    rows, columns = np.rint(np.sqrt(pixels * ratio)), np.rint(np.sqrt(pixels / ratio))
    return rows.astype(np.int64), columns.astype(np.int64)


def draw_boxes(draw: Draws, chance: float, height: int, width: int, scale: Range, ratio: Range) -> Integers:
    """Return a box (top, left, height, width) for each sample, of no size where nothing is erased.

    The area is uniform in `scale`, the aspect ratio log-uniform in `ratio`; a box that does not fit into the image is
    drawn again, up to ATTEMPTS times in all, as torchvision does.
    """
    wanted = np.flatnonzero(as_uniform(draw(ERASE)) < chance)
    sizes = np.zeros((2, len(draw.indices)), np.int64)
    sizes[:, wanted] = _fitting(draw.of(wanted), range(1), height, width, scale, ratio)
    again = wanted[sizes[0, wanted] == NONE]
    if len(again):
        sizes[:, again] = _fitting(draw.of(again), range(1, ATTEMPTS), height, width, scale, ratio)
    rows, columns = np.maximum(sizes, 0)
    top = draw(ERASE_TOP) * (height - rows + 1) >> 32
    left = draw(ERASE_LEFT) * (width - columns + 1) >> 32
    return np.stack([top, left, rows, columns], axis=1)


def _fitting(draw: Draws, attempts: range, height: int, width: int, scale: Range, ratio: Range) -> Integers:
    """Return the height and width of each sample's first box that fits in several attempts, NONE where none does."""
    bits = draw.many(range(ERASE_ATTEMPTS + 2 * attempts.start, ERASE_ATTEMPTS + 2 * attempts.stop))
    area, aspect = as_uniform(bits[0::2]), as_uniform(bits[1::2])
    low, high = math.log(ratio[0]), math.log(ratio[1])
    areas, aspects = scale[0] + (scale[1] - scale[0]) * area, np.exp(low + (high - low) * aspect)
    rows, columns = box_sizes(areas, aspects, height, width)
    fits = (rows < height) & (columns < width)
    first, sample = fits.argmax(0), np.arange(rows.shape[1])
    return np.where(fits.any(0), np.stack([rows[first, sample], columns[first, sample]]), NONE)


Runs = list[tuple[int, Tensor]]  # lengths in values, and where runs of that length start in a batch's memory


def erase_(images: Tensor, boxes: Integers) -> Tensor:
    """Set the boxes (N×4 of top, left, height, width) of contiguous N×H×W×3 images to zero in place."""
    return fill_(images, *runs_of(boxes, [len(boxes)], images.shape[1:], images.device))


def fill_(images: Tensor, runs: Runs) -> Tensor:
    """Set runs of contiguous images to zero in place."""
    for length, starts in runs:
        windows = images.as_strided((images.numel() - length + 1, length), (1, 1))
        windows.index_fill_(0, starts, 0.0)
    return images


def runs_of(boxes: Integers, sizes: Sequence[int], shape: Sequence[int], device: torch.device) -> list[Runs]:
    """Return the runs of memory that cover boxes, for each of several batches that follow each other.

    A box's line is covered by two runs, equally long and perhaps overlapping, whose length is a power of two pixels: so
    a few calls fill the lines of all boxes.

    Args:
        boxes: N×4 of top, left, height, width.
        sizes: how many of the N images each batch has.
        shape: height, width and channels of an image.
        device: where the starts are needed.
    """
    height, width, channels = shape
    powers = width.bit_length()
    some = np.flatnonzero(boxes[:, 2] * boxes[:, 3])
    batch, image = count_up(np.asarray(sizes))
    kind = batch * powers + np.frexp(boxes[:, 3])[1] - 1  # by batch, then by the largest power of two that fits
    some = some[np.argsort(kind[some], kind="stable")]
    (top, left, rows, columns), image, kind = boxes[some].T, image[some], kind[some]
    box, row = count_up(rows)
    first = (((image * height + top)[box] + row) * width + left[box]) * channels
    second = first + ((columns - (1 << kind % powers)) * channels)[box]
    starts = to_device(np.stack([first, second]), device)
    edges = np.cumsum(np.bincount(kind, weights=rows, minlength=len(sizes) * powers)).astype(int).tolist()
    result: list[Runs] = [[] for _ in sizes]
    for number, (begin, end) in enumerate(pairwise([0, *edges])):
        if begin < end:
            length = channels << number % powers
            result[number // powers].append((length, starts[:, begin:end].reshape(-1)))
    return result


def count_up(lengths: Integers) -> tuple[Integers, Integers]:
    """Return, for runs of given lengths laid end to end, each element's run and its place in that run."""
    run = np.repeat(np.arange(len(lengths)), lengths)
    return run, np.arange(len(run)) - (np.cumsum(lengths) - lengths)[run]
