"""All that is drawn for a batch, decided on the CPU before any pixel is touched."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.data.augmentation.erasing import RATIO, SCALE, draw_boxes
from bench.data.augmentation.keyed import as_integers
from bench.data.augmentation.policies import (
    ERASE_ATTEMPTS,
    FLIP,
    LEFT,
    PER_STAGE,
    POLICIES,
    STAGES,
    TOP,
    Augmentation,
    Draws,
    Integers,
    Stage,
)
from bench.util.errors import check_known

ALTERNATING = "alternating"


@dataclass(frozen=True, eq=False)
class Plan:
    """What is done to each of B samples: its crop, whether it is mirrored, its policy's stages, the box to erase."""

    top: Integers
    left: Integers
    flip: NDArray[np.bool_]
    stages: list[Stage]
    boxes: Integers

    def part(self, samples: slice) -> "Plan":
        """Return the plan of some of the samples."""
        stages = [Stage(stage.operation[samples], stage.setting[samples]) for stage in self.stages]
        return Plan(self.top[samples], self.left[samples], self.flip[samples], stages, self.boxes[samples])


def _flips(draw: Draws, flip: bool | str) -> NDArray[np.bool_]:
    """Return which samples are mirrored: each by chance, or alternating.

    Alternating: whether an image is mirrored in epoch 0 is drawn, then it changes every epoch, so that two epochs show
    both sides (Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, section 3.6).
    """
    if flip != ALTERNATING:
        return as_integers(draw(FLIP), 2).astype(bool) & bool(flip)
    first = draw if draw.epoch == 0 else Draws(draw.seed, 0, draw.indices, [FLIP])
    return as_integers(first(FLIP), 2).astype(bool) ^ bool(draw.epoch % 2)


def make_plan(indices: Tensor, *, seed: int, epoch: int, augmentation: Augmentation, size: Sequence[int]) -> Plan:
    """Return the plan of samples (int64, B; best on the CPU: another device is waited for) in an epoch.

    `size` is (height, width) of the images. Raises BadInput for a policy that does not exist.
    """
    check_known("augmentation policy", augmentation.policy, POLICIES)
    # Hashed together because that is cheap: all draws but the later attempts at erasing, which few samples need.
    policy = POLICIES[augmentation.policy]
    last = STAGES + PER_STAGE * policy.length(augmentation)
    draw = Draws(seed, epoch, indices.cpu(), [*range(ERASE_ATTEMPTS + 2), *range(STAGES, last)])
    places = 2 * augmentation.crop_padding + 1
    scale, ratio = getattr(augmentation, "erasing_scale", SCALE), getattr(augmentation, "erasing_ratio", RATIO)
    return Plan(
        top=as_integers(draw(TOP), places),
        left=as_integers(draw(LEFT), places),
        flip=_flips(draw, augmentation.flip),
        stages=policy.draw(policy, draw, augmentation),
        boxes=draw_boxes(draw, augmentation.erasing, size[0], size[1], scale, ratio),
    )
