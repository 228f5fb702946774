"""What is drawn for each sample, and the policies: which operations, listed by name, with which settings follow each
other. So an operation that is added to the table changes no draw of the policies that do not list it.

Every draw has a number; together with (seed, epoch, sample index) it is hashed into 32 bits (`augmentation.keyed`). All
draws are decoded on the CPU, so the sizes of the groups that share an operation are known without asking the device.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.data.augmentation.keyed import as_integers, as_uniform, keyed_bits
from bench.data.augmentation.operations import STANDARD, WIDE, Space, numbers, signed_flags, tabulate

Integers = NDArray[np.int64]

# The numbers of the draws. A stage of a policy has four; erasing has two for each of its attempts.
TOP, LEFT, FLIP, ERASE, ERASE_TOP, ERASE_LEFT, SUB_POLICY = range(7)
ERASE_ATTEMPTS = 8
STAGES = 64
OPERATION, BIN, SIGN, CHANCE = range(4)
PER_STAGE = 4

# What TrivialAugment and RandAugment draw from, each as likely.
FOURTEEN = (
    *("identity", "shear_x", "translate_x", "translate_y", "shear_y", "rotate"),
    *("brightness", "contrast", "color", "sharpness"),
    *("posterize", "solarize", "autocontrast", "equalize"),
)

# AutoAugment's policy for CIFAR-10 (Cubuk et al., CVPR 2019, appendix): operation, probability, magnitude in 0 … 9.
Step = tuple[str, float, int]
AUTO_AUGMENT: tuple[tuple[Step, Step], ...] = (
    (("invert", 0.1, 0), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.5, 0), ("equalize", 0.9, 0)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 0), ("equalize", 0.5, 0)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 0), ("autocontrast", 0.4, 0)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 0)),
    (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
    (("equalize", 0.2, 0), ("equalize", 0.6, 0)),
    (("color", 0.9, 9), ("equalize", 0.6, 0)),
    (("autocontrast", 0.8, 0), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("autocontrast", 0.9, 0)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.9, 0), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 0), ("invert", 0.1, 0)),
    (("translate_y", 0.7, 9), ("autocontrast", 0.9, 0)),
)


class Draws:
    """The bits of the draws of one batch, by number: those announced are hashed together, others when asked for.

    `indices` are those of the samples, on the CPU; `numbers` are the draws announced.
    """

    def __init__(self, seed: int, epoch: int, indices: Tensor, numbers: Iterable[int] = ()) -> None:
        self.seed, self.epoch, self.indices = seed, epoch, indices
        self.bits: dict[int, Integers] = {}
        self._hash(list(numbers))

    def _hash(self, numbers: list[int]) -> None:
        """Hash the draws of several numbers at once."""
        if numbers:
            bits = keyed_bits(self.seed, self.epoch, self.indices, numbers).numpy()
            self.bits.update(zip(numbers, bits, strict=True))

    def many(self, numbers: Iterable[int]) -> Integers:
        """Return the 32-bit values of several draws, one row each, one column for each sample."""
        listed = list(numbers)
        self._hash([number for number in listed if number not in self.bits])
        return np.stack([self.bits[number] for number in listed])

    def __call__(self, number: int) -> Integers:
        """Return a draw's 32-bit values, one for each sample."""
        self._hash([] if number in self.bits else [number])
        return self.bits[number]

    def of(self, samples: Integers) -> "Draws":
        """Return the draws of some samples of the batch, given by their places in it."""
        chosen = Draws(self.seed, self.epoch, self.indices[torch.from_numpy(samples)])
        chosen.bits = {number: bits[samples] for number, bits in self.bits.items()}
        return chosen


class Augmentation(Protocol):
    """What `bench.spec.AugmentationSection` says; num_ops, magnitude, erasing_scale and erasing_ratio may be absent."""

    @property
    def crop_padding(self) -> int:
        """Return the pixels of black around an image before it is cropped to its size."""

    @property
    def flip(self) -> bool | str:
        """Return whether half of the images are mirrored, or "alternating": each every second epoch."""

    @property
    def policy(self) -> str:
        """Return the name of the policy, a key of POLICIES."""

    @property
    def erasing(self) -> float:
        """Return the probability of erasing a box."""


@dataclass(frozen=True, eq=False)
class Stage:
    """One operation for each sample: its number and its setting, 2 × bin + sign."""

    operation: Integers
    setting: Integers


@dataclass(frozen=True)
class Policy:
    """How a policy draws its stages, how many they are, from which operations, and its magnitudes: scale and bins."""

    draw: Callable[["Policy", Draws, Augmentation], list[Stage]]
    length: Callable[[Augmentation], int]
    operations: tuple[str, ...] = ()
    scale: str = STANDARD
    bins: int = 1


def _stage(draw: Draws, stage: int, operation: Integers, bins: Integers) -> Stage:
    """Return a stage whose signed operations get a random sign."""
    sign = as_integers(draw(STAGES + stage * PER_STAGE + SIGN), 2)
    return Stage(operation, 2 * bins + sign * signed_flags()[operation])


def _numbered(names: Iterable[str]) -> Integers:
    """Return the numbers of operations."""
    table = numbers()
    return np.array([table[name] for name in names])


def _random_operation(policy: Policy, draw: Draws, stage: int) -> Integers:
    """Return one of a policy's operations, each as likely."""
    drawn = as_integers(draw(STAGES + stage * PER_STAGE + OPERATION), len(policy.operations))
    return _numbered(policy.operations)[drawn]


def no_policy(policy: Policy, draw: Draws, augmentation: Augmentation) -> list[Stage]:
    """Return no stage at all."""
    return []


def trivial_augment_wide(policy: Policy, draw: Draws, augmentation: Augmentation) -> list[Stage]:
    """Return the one stage of TrivialAugment: a random operation at a random magnitude."""
    bins = as_integers(draw(STAGES + BIN), policy.bins)
    return [_stage(draw, 0, _random_operation(policy, draw, 0), bins)]


def rand_augment(policy: Policy, draw: Draws, augmentation: Augmentation) -> list[Stage]:
    """Return the stages of RandAugment: `num_ops` random operations in turn, all at the bin `magnitude`."""
    bins, stages = np.full(1, getattr(augmentation, "magnitude", 9)), range(policy.length(augmentation))
    return [_stage(draw, stage, _random_operation(policy, draw, stage), bins) for stage in stages]


def auto_augment(policy: Policy, draw: Draws, augmentation: Augmentation) -> list[Stage]:
    """Return the two stages of a random sub-policy of AutoAugment; a step that chance leaves out is the identity."""
    chosen = as_integers(draw(SUB_POLICY), len(AUTO_AUGMENT))
    stages = []
    for stage in range(2):
        names, chances, bins = zip(*(steps[stage] for steps in AUTO_AUGMENT), strict=True)
        done = as_uniform(draw(STAGES + stage * PER_STAGE + CHANCE)) <= np.array(chances)[chosen]
        operation = np.where(done, _numbered(names)[chosen], numbers()["identity"])
        stages.append(_stage(draw, stage, operation, np.array(bins)[chosen]))
    return stages


AUTO_OPERATIONS = tuple(dict.fromkeys(["identity", *(name for steps in AUTO_AUGMENT for name, _, _ in steps)]))
POLICIES: dict[str, Policy] = {
    "none": Policy(no_policy, lambda augmentation: 0),
    "trivial_augment_wide": Policy(trivial_augment_wide, lambda augmentation: 1, FOURTEEN, WIDE, 31),
    "rand_augment": Policy(
        rand_augment, lambda augmentation: getattr(augmentation, "num_ops", 2), FOURTEEN, STANDARD, 31
    ),
    "auto_augment": Policy(auto_augment, lambda augmentation: 2, AUTO_OPERATIONS, STANDARD, 10),
}


def make_space(policy: str, height: int, width: int) -> Space:
    """Return what a policy's (operation, setting) means in images of a size in pixels."""
    row = POLICIES[policy]
    return tabulate(row.scale, row.bins, height, width)
