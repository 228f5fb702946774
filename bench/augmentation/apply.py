"""Apply operations to batches: samples are sorted by operation, so each kernel runs once, on a slice."""

import numpy as np
import torch
from torch import Tensor

from bench.augmentation.geometry import Integers
from bench.augmentation.operations import Space, numbers


def apply_sorted_(images: Tensor, operation: Integers, setting: Integers, space: Space) -> Tensor:
    """Apply to each image (contiguous uint8 B×H×W×3), in place, its operation at its setting, sorted by operation."""
    for group in space.groups:
        ends = (group.first, group.first + len(group.parameters))
        part = slice(*np.searchsorted(operation, ends).tolist())
        if part.start < part.stop:
            group.kernel(images[part], group.parameters[operation[part] - group.first, setting[part]])
    return images


def apply_operation(images: Tensor, name: str, setting: int, space: Space) -> Tensor:
    """Return uint8 B×H×W×3 images that all underwent one operation of OPERATIONS at one setting (2 × bin + sign)."""
    operation = np.full(len(images), numbers()[name])
    return apply_sorted_(
        images.clone(memory_format=torch.contiguous_format), operation, np.full(len(images), setting), space
    )
