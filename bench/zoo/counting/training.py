"""What a training computes: its passes through the network, tallied in images, and their multiply-accumulates.

A forward pass of an image costs the network's MACs at the image's size. A backward pass costs twice as much: one
product for the gradients of the inputs and one for those of the weights (Kaplan et al., Scaling Laws for Neural
Language Models, 2020, section 2.1), less what frozen layers save. So a step costs three forward passes an image where
it does nothing else. Neither torch nor numpy is needed here.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

Size = tuple[int, int]  # height and width in pixels
Share = tuple[float | str | Fraction, Size]  # of the steps, and the size of their images


class Kind(NamedTuple):
    """What passes have in common: the size of the images and, for a pass backward, which parameters are frozen.

    `frozen` has a "1" for each frozen parameter and a "0" for each other, in the model's order; it is empty when none
    is frozen.
    """

    size: Size
    frozen: str = ""


@dataclass
class Passes:
    """How many images went forward and how many backward."""

    forward: int = 0
    backward: int = 0


Tally = dict[Kind, Passes]


def training_macs(
    tally: Mapping[Kind, Passes], forward: Callable[[Size], int], saved: Callable[[Kind], int] = lambda kind: 0
) -> int:
    """Return the MACs of all passes.

    Args:
        tally: the passes of each kind.
        forward: the MACs of one image's forward pass, by its size.
        saved: by how many MACs one image's backward pass is cheaper, by the kind; asked where parameters are frozen.
    """
    total = 0
    for kind, passes in tally.items():
        total += (passes.forward + 2 * passes.backward) * forward(kind.size)
        total -= passes.backward * saved(kind) if kind.frozen else 0
    return total


def steps_of_shares(shares: Sequence[Share], steps: int) -> list[int]:
    """Return how many of `steps` steps fall to each share; shares are exact as they are written, and sum to 1.

    A step falls to the first share that ends after the part of the run before it: of 5 steps, halves get 3 and 2.
    Raises ValueError for shares that do not sum to 1.
    """
    exact = [Fraction(str(share)) for share, _ in shares]
    if sum(exact) != 1 or min(exact) < 0:
        raise ValueError(f"the shares {', '.join(str(share) for share, _ in shares)} do not sum to 1")
    ends = [math.ceil(sum(exact[: number + 1]) * steps) for number in range(len(exact))]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def tally_of_shares(shares: Sequence[Share], steps: int, batch_size: int) -> Tally:
    """Return the passes of a run whose images have one size for a share of its steps, then another."""
    tally: Tally = {}
    for (_, size), number in zip(shares, steps_of_shares(shares, steps), strict=True):
        passes = tally.setdefault(Kind(size), Passes())
        passes.forward += number * batch_size
        passes.backward += number * batch_size
    return {kind: passes for kind, passes in tally.items() if passes.forward}


@dataclass
class Meter:
    """The passes that a training has made so far, noted as they happen."""

    tally: Tally = field(default_factory=dict)
    _last: tuple[Size, int] | None = None

    def forward(self, size: Size, images: int, *, gradients: bool) -> None:
        """Note a forward pass; one that records gradients is what the next backward pass goes through."""
        self.tally.setdefault(Kind(size), Passes()).forward += images
        self._last = (size, images) if gradients else self._last

    def backward(self, frozen: str) -> None:
        """Note the backward pass through the last forward pass that recorded gradients."""
        if self._last is not None:
            size, images = self._last
            self.tally.setdefault(Kind(size, frozen), Passes()).backward += images
            self._last = None


def to_plain(tally: Mapping[Kind, Passes]) -> list[dict[str, Any]]:
    """Return a tally as plain data, such as a checkpoint holds."""
    return [
        {"size": list(kind.size), "frozen": kind.frozen, "forward": passes.forward, "backward": passes.backward}
        for kind, passes in tally.items()
    ]


def add_plain(tally: Tally, rows: Sequence[Mapping[str, Any]]) -> Tally:
    """Add passes given as plain data to a tally, in place, and return it."""
    for row in rows:
        height, width = row["size"]
        passes = tally.setdefault(Kind((height, width), row["frozen"]), Passes())
        passes.forward += row["forward"]
        passes.backward += row["backward"]
    return tally
