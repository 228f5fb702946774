"""The operations of the augmentation policies, one row each: what computes them, and at which magnitudes.

A row is all that an operation needs: it can then be applied by name, and a policy that lists it draws it. An operation
is known by its number, its place in OPERATIONS; a setting is a number too: 2 × bin + sign. A `Space` holds what each
(operation, setting) means to the code that computes it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.data.augmentation import pointwise
from bench.data.augmentation.geometry import (
    Coefficients,
    Integers,
    Matrix,
    fixed_point,
    rotation,
    shear_x,
    shear_y,
    slide_,
    translation,
    warp_,
)
from bench.data.augmentation.transfer import to_device

# Changes a slice of images (uint8 B×H×W×3) in place, given the parameter of each of them.
Kernel = Callable[[Tensor, NDArray[Any]], Tensor]
# Returns what the kernel is given for a magnitude, sign and all, in images of a height and width.
Parameter = Callable[[float, int, int], Any]
# Returns the magnitudes of so many bins, without signs, for images of a height and width.
Magnitudes = Callable[[int, int, int], Tensor]

# The scales of magnitudes: TrivialAugment's wide one (Müller and Hutter, ICCV 2021) ignores the image's size; the other
# is that of RandAugment (Cubuk et al., 2020) and AutoAugment (Cubuk et al., CVPR 2019) alike.
WIDE, STANDARD = "wide", "standard"


@dataclass(frozen=True)
class Operation:
    """What computes an operation (None: nothing), from which parameter, at which magnitudes of a scale, and its sign.

    One without magnitudes has the magnitude 0 in every bin; those of a signed one are drawn with either sign.
    """

    kernel: Kernel | None
    parameter: Parameter = lambda magnitude, height, width: np.uint8(0)
    magnitudes: Mapping[str, Magnitudes] = field(default_factory=dict)
    signed: bool = False


def on_device(function: Callable[[Tensor, Tensor], Tensor]) -> Kernel:
    """Return the kernel of a function that takes its parameters as a tensor beside the images."""
    return lambda images, parameters: function(images, to_device(parameters, images.device))


def alone(function: Callable[[Tensor], Tensor]) -> Kernel:
    """Return the kernel of a function that has no parameter."""
    return lambda images, parameters: function(images)


def affine(matrix: Callable[[float], Matrix]) -> Parameter:
    """Return the parameter of a geometric operation, given its output-to-input matrix at a magnitude."""
    return lambda magnitude, height, width: fixed_point(matrix(magnitude))


def turn(degrees: float, height: int, width: int) -> Coefficients:
    """Return the parameter of a rotation about the image's centre."""
    return fixed_point(rotation(degrees, height, width))


def factor(magnitude: float, height: int, width: int) -> np.float32:
    """Return the factor of a blend, 1 where it leaves the image alone."""
    return np.float32(1.0 + magnitude)


def mask(magnitude: float, height: int, width: int) -> np.uint8:
    """Return the mask that keeps so many of a byte's upper bits."""
    return np.uint8(256 - 2 ** (8 - int(magnitude)))


def threshold(magnitude: float, height: int, width: int) -> np.uint8:
    """Return the least byte that is at or above a magnitude."""
    return np.uint8(math.ceil(magnitude))


def evenly(first: float, last: float) -> Magnitudes:
    """Return magnitudes that go from one to another in equal steps."""
    return lambda bins, height, width: torch.linspace(first, last, bins)


def shift(side: int) -> Magnitudes:
    """Return the standard magnitudes of a translation: up to 150/331 of the image's height (0) or width (1)."""
    return lambda bins, *size: torch.linspace(0.0, 150.0 / 331.0 * size[side], bins)


def bits(most: int) -> Magnitudes:
    """Return the bits that posterize keeps in each bin, from 8 down to 8 - `most`."""
    return lambda bins, height, width: 8 - (torch.arange(bins) / ((bins - 1) / most)).round().int()


SOLARIZE = on_device(pointwise.solarize_)
SHEARS: Mapping[str, Magnitudes] = {WIDE: evenly(0.0, 0.99), STANDARD: evenly(0.0, 0.3)}
BLENDS: Mapping[str, Magnitudes] = {WIDE: evenly(0.0, 0.99), STANDARD: evenly(0.0, 0.9)}
TURNS: Mapping[str, Magnitudes] = {WIDE: evenly(0.0, 135.0), STANDARD: evenly(0.0, 30.0)}
THRESHOLDS: Mapping[str, Magnitudes] = dict.fromkeys((WIDE, STANDARD), evenly(255.0, 0.0))

# Neighbours with the same kernel are computed together, on one slice of a batch that is sorted by operation.
OPERATIONS: dict[str, Operation] = {
    "identity": Operation(None),
    "shear_x": Operation(slide_, affine(shear_x), SHEARS, signed=True),
    "translate_x": Operation(
        slide_, affine(lambda m: translation(int(m), 0)), {WIDE: evenly(0.0, 32.0), STANDARD: shift(1)}, signed=True
    ),
    "translate_y": Operation(
        slide_, affine(lambda m: translation(0, int(m))), {WIDE: evenly(0.0, 32.0), STANDARD: shift(0)}, signed=True
    ),
    "shear_y": Operation(warp_, affine(shear_y), SHEARS, signed=True),
    "rotate": Operation(warp_, turn, TURNS, signed=True),
    "brightness": Operation(on_device(pointwise.brightness_), factor, BLENDS, signed=True),
    "contrast": Operation(on_device(pointwise.contrast_), factor, BLENDS, signed=True),
    "color": Operation(on_device(pointwise.color_), factor, BLENDS, signed=True),
    "sharpness": Operation(on_device(pointwise.sharpness_), factor, BLENDS, signed=True),
    "posterize": Operation(on_device(pointwise.posterize_), mask, {WIDE: bits(6), STANDARD: bits(4)}),
    "solarize": Operation(SOLARIZE, threshold, THRESHOLDS),
    "invert": Operation(SOLARIZE),
    "autocontrast": Operation(alone(pointwise.autocontrast_)),
    "equalize": Operation(alone(pointwise.equalize_)),
}


def numbers() -> dict[str, int]:
    """Return each operation's number by its name."""
    return {name: number for number, name in enumerate(OPERATIONS)}


def signed_flags() -> NDArray[np.bool_]:
    """Return which operations, by number, are drawn with either sign."""
    return np.array([operation.signed for operation in OPERATIONS.values()])


@dataclass(frozen=True, eq=False)
class Group:
    """Neighbouring operations with one kernel: the first one's number, and a parameter for each and each setting."""

    first: int
    kernel: Kernel
    parameters: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Space:
    """What (operation, setting) means: the magnitude with its sign (operations × settings), and the groups' kernels."""

    bins: int
    magnitudes: NDArray[np.float64]
    groups: tuple[Group, ...]


def signed_magnitudes(operation: Operation, scale: str, bins: int, height: int, width: int) -> NDArray[np.float64]:
    """Return an operation's magnitude at each setting."""
    listed = operation.magnitudes.get(scale)
    sizes = np.zeros(bins) if listed is None else np.array(listed(bins, height, width).tolist(), np.float64)
    signs = np.array([1.0, -1.0 if operation.signed else 1.0])
    return (sizes[:, None] * signs).ravel()


@lru_cache(maxsize=16)
def tabulate(scale: str, bins: int, height: int, width: int) -> Space:
    """Return the space of a scale with a number of bins, for images of a size in pixels."""
    rows = list(OPERATIONS.values())
    magnitudes = np.stack([signed_magnitudes(row, scale, bins, height, width) for row in rows])
    groups = []
    for kernel, members in groupby(range(len(rows)), key=lambda number: rows[number].kernel):
        chosen = list(members)
        if kernel is not None:
            table = [[rows[n].parameter(float(m), height, width) for m in magnitudes[n]] for n in chosen]
            groups.append(Group(chosen[0], kernel, np.array(table)))
    return Space(bins, magnitudes, tuple(groups))


def apply_sorted_(images: Tensor, operation: Integers, setting: Integers, space: Space) -> Tensor:
    """Apply to each image (contiguous uint8 B×H×W×3), in place, its operation at its setting, sorted by operation.

    Each kernel runs once, on a slice.
    """
    for group in space.groups:
        ends = (group.first, group.first + len(group.parameters))
        part = slice(*np.searchsorted(operation, ends).tolist())
        if part.start < part.stop:
            group.kernel(images[part], group.parameters[operation[part] - group.first, setting[part]])
    return images
