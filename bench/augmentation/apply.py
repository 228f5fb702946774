"""Apply operations to batches: samples are sorted by operation, so each kind of computation runs once, on a slice."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.augmentation import pointwise
from bench.augmentation.geometry import Integers, slide_, warp_
from bench.augmentation.operations import NUMBER, OPERATIONS, Space
from bench.augmentation.transfer import to_device

# What is computed, in place, for a slice of images, given their operations, settings and the space.
Kind = Callable[[Tensor, Integers, Integers, Space], Tensor]


def by_coefficients(function: Callable[[Tensor, NDArray[np.int32]], Tensor]) -> Kind:
    """Return the kind that passes a function each image's affine coefficients."""
    return lambda images, operation, setting, space: function(images, space.coefficients[operation, setting])


def by_factor(function: Callable[[Tensor, Tensor], Tensor]) -> Kind:
    """Return the kind that passes a function each image's blend factor."""
    return lambda images, operation, setting, space: function(
        images, to_device(space.factors[operation, setting], images.device)
    )


def by_byte(function: Callable[[Tensor, Tensor], Tensor]) -> Kind:
    """Return the kind that passes a function each image's mask or threshold."""
    return lambda images, operation, setting, space: function(
        images, to_device(space.bytes[operation, setting], images.device)
    )


def by_image(function: Callable[[Tensor], Tensor]) -> Kind:
    """Return the kind that passes a function the images alone."""
    return lambda images, operation, setting, space: function(images)


# From which operation to which in OPERATIONS a kind reaches; the identity needs none.
KINDS: tuple[tuple[str, str, Kind], ...] = (
    ("shear_x", "translate_y", by_coefficients(slide_)),
    ("shear_y", "rotate", by_coefficients(warp_)),
    ("brightness", "brightness", by_factor(pointwise.brightness_)),
    ("contrast", "contrast", by_factor(pointwise.contrast_)),
    ("color", "color", by_factor(pointwise.color_)),
    ("sharpness", "sharpness", by_factor(pointwise.sharpness_)),
    ("posterize", "posterize", by_byte(pointwise.posterize_)),
    ("solarize", "invert", by_byte(pointwise.solarize_)),
    ("autocontrast", "autocontrast", by_image(pointwise.autocontrast_)),
    ("equalize", "equalize", by_image(pointwise.equalize_)),
)


def apply_sorted_(images: Tensor, operation: Integers, setting: Integers, space: Space) -> Tensor:
    """Apply to each image (contiguous uint8 B×H×W×3), in place, its operation at its setting, sorted by operation."""
    bounds = np.searchsorted(operation, np.arange(len(OPERATIONS) + 1)).tolist()
    for first, last, kind in KINDS:
        part = slice(bounds[NUMBER[first]], bounds[NUMBER[last] + 1])
        if part.start < part.stop:
            kind(images[part], operation[part], setting[part], space)
    return images


def apply_operation(images: Tensor, name: str, setting: int, space: Space) -> Tensor:
    """Return uint8 B×H×W×3 images that all underwent one operation of OPERATIONS at one setting (2 × bin + sign)."""
    operation = np.full(len(images), NUMBER[name])
    return apply_sorted_(
        images.clone(memory_format=torch.contiguous_format), operation, np.full(len(images), setting), space
    )
