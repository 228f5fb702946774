"""The operations of the augmentation policies and their magnitudes, as torchvision defines them.

An operation is a number, an index into OPERATIONS; a setting is a number too: 2 × bin + sign. A `Space` holds what each
(operation, setting) means for the code that computes it: affine coefficients, a blend factor or a byte.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.augmentation.geometry import Matrix, fixed_point, rotation, shear_x, shear_y, translation

# The order is that of the kinds of computation, so a batch sorted by operation has each kind in one slice.
OPERATIONS = (
    *("identity",),
    *("shear_x", "translate_x", "translate_y", "shear_y", "rotate"),
    *("brightness", "contrast", "color", "sharpness"),
    *("posterize", "solarize", "invert", "autocontrast", "equalize"),
)
NUMBER = {name: number for number, name in enumerate(OPERATIONS)}
GEOMETRIC = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
BLENDING = ("brightness", "contrast", "color", "sharpness")
SIGNED = frozenset(GEOMETRIC + BLENDING)
UNCHANGED = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

SpaceName = Literal["trivial_augment_wide", "rand_augment", "auto_augment"]


@dataclass(frozen=True, eq=False)
class Space:
    """What (operation, setting) means; every table has one row per operation and one column per setting."""

    bins: int
    magnitudes: NDArray[np.float64]  # with their signs
    coefficients: NDArray[np.int32]  # 6 per entry: output pixel to input pixel, 16.16 fixed point
    factors: NDArray[np.float32]  # of the blend operations
    bytes: NDArray[np.uint8]  # the mask of posterize, the threshold of solarize and invert


def _bits(bins: int, most: int) -> Tensor:
    """Return the bits that posterize keeps in each bin, from 8 down to 8 - `most`."""
    return 8 - (torch.arange(bins) / ((bins - 1) / most)).round().int()


def trivial_augment_wide(bins: int, height: int, width: int) -> dict[str, Tensor]:
    """Return the magnitudes of TrivialAugment, wide (Müller and Hutter, ICCV 2021), which ignore the image's size."""
    blends = {name: torch.linspace(0.0, 0.99, bins) for name in ("shear_x", "shear_y", *BLENDING)}
    shifts = {name: torch.linspace(0.0, 32.0, bins) for name in ("translate_x", "translate_y")}
    others = {"rotate": torch.linspace(0.0, 135.0, bins), "solarize": torch.linspace(255.0, 0.0, bins)}
    return blends | shifts | others | {"posterize": _bits(bins, 6)}


def rand_augment(bins: int, height: int, width: int) -> dict[str, Tensor]:
    """Return the magnitudes of RandAugment (Cubuk et al., 2020) and AutoAugment (Cubuk et al., 2019) alike."""
    shears = {name: torch.linspace(0.0, 0.3, bins) for name in ("shear_x", "shear_y")}
    sides = {"translate_x": width, "translate_y": height}
    shifts = {name: torch.linspace(0.0, 150.0 / 331.0 * side, bins) for name, side in sides.items()}
    blends = {name: torch.linspace(0.0, 0.9, bins) for name in BLENDING}
    others = {"rotate": torch.linspace(0.0, 30.0, bins), "solarize": torch.linspace(255.0, 0.0, bins)}
    return shears | shifts | blends | others | {"posterize": _bits(bins, 4)}


MAGNITUDES: dict[str, tuple[int, Callable[[int, int, int], dict[str, Tensor]]]] = {
    "trivial_augment_wide": (31, trivial_augment_wide),
    "rand_augment": (31, rand_augment),
    "auto_augment": (10, rand_augment),
}


def matrix(name: str, magnitude: float, height: int, width: int) -> Matrix:
    """Return the output-to-input matrix of an operation; the identity's for one that moves no pixel."""
    if name == "shear_x":
        return shear_x(magnitude)
    if name == "shear_y":
        return shear_y(magnitude)
    if name == "translate_x":
        return translation(int(magnitude), 0)
    if name == "translate_y":
        return translation(0, int(magnitude))
    return rotation(magnitude, height, width) if name == "rotate" else UNCHANGED


def byte(name: str, magnitude: float) -> int:
    """Return the byte that posterize masks with, or the value from which solarize and invert take the complement."""
    if name == "posterize":
        return 256 - 2 ** (8 - int(magnitude))
    return math.ceil(magnitude) if name == "solarize" else 0


@lru_cache(maxsize=16)
def make_space(name: SpaceName, height: int, width: int) -> Space:
    """Return the space of a policy for images of a size in pixels."""
    bins, magnitudes_of = MAGNITUDES[name]
    values = {key: value.tolist() for key, value in magnitudes_of(bins, height, width).items()}
    shape = (len(OPERATIONS), 2 * bins)
    magnitudes = np.zeros(shape)
    coefficients = np.zeros((*shape, 6), np.int32)
    levels = np.zeros(shape, np.uint8)
    for number, operation in enumerate(OPERATIONS):
        for setting in range(2 * bins):
            size = float(values[operation][setting // 2]) if operation in values else 0.0
            signed = -size if setting % 2 and operation in SIGNED else size
            magnitudes[number, setting] = signed
            coefficients[number, setting] = fixed_point(matrix(operation, signed, height, width))
            levels[number, setting] = byte(operation, signed)
    return Space(bins, magnitudes, coefficients, (1.0 + magnitudes).astype(np.float32), levels)
