"""Progressive image sizes: [share of the run's steps until which, pixels] pairs, as a recipe declares them."""

from collections.abc import Sequence
from fractions import Fraction

Sizes = Sequence[tuple[float, int]]


def size_at(sizes: Sizes, step: int, steps: int) -> int:
    """Return the image size of a step (from 0) of a run; shares are exact as they are written."""
    return next((size for share, size in sizes if step < Fraction(str(share)) * steps), sizes[-1][1])


def size_shares(sizes: Sizes) -> list[tuple[Fraction, tuple[int, int]]]:
    """Return each size, as height and width, with the share of the steps that have it."""
    ends = [Fraction(str(share)) for share, _ in sizes]
    return [
        (end - start, (size, size)) for start, end, (_, size) in zip([Fraction(0), *ends], ends, sizes, strict=False)
    ]
