"""The passes that a run will make, where its algorithms tell them beforehand; torch is not needed."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from algorithms.registry import changes_steps, plan_steps
from bench.util.duration import Duration
from bench.util.errors import BadInput
from bench.zoo.counting.training import Kind, Passes, Share, Tally, steps_of_shares, tally_of_shares

if TYPE_CHECKING:
    from algorithms.costs import Steps

# More than any run has; each step is planned by itself where an algorithm changes some of them.
MAX_STEPS = 1 << 22


def planned_tally(
    chosen: Mapping[str, Mapping[str, Any]],
    duration: Duration,
    shares: Sequence[Share],
    *,
    batch_size: int,
    epoch_steps: int | None,
) -> Tally:
    """Return the passes of a run on one process.

    Args:
        chosen: the algorithms with their settings; none of them `unplanned`.
        duration: of the run, in epochs, batches or samples.
        shares: of its steps, each with the size of the images that the data path feeds.
        batch_size: images of a step.
        epoch_steps: steps of an epoch; None where neither the duration nor an algorithm counts epochs.

    Raises:
        BadInput: for more steps than can be planned one by one.
    """
    number = duration.steps(epoch_steps, batch_size)
    if not any(changes_steps(name) for name in chosen):
        return tally_of_shares(shares, number, batch_size)
    if number > MAX_STEPS:
        raise BadInput(f"{number:,} steps are more than can be planned with these algorithms ({MAX_STEPS:,})")
    assert epoch_steps is not None, "an algorithm that changes steps may count them from the beginning of an epoch"
    return tally_of_steps(plan_steps(chosen, plain_steps(number, duration, shares, batch_size, epoch_steps)))


def plain_steps(number: int, duration: Duration, shares: Sequence[Share], batch_size: int, epoch_steps: int) -> "Steps":
    """Return a number of steps that each go forward and backward with the batch."""
    import numpy as np

    from algorithms.costs import Steps

    index = np.arange(number)
    done = {"ep": index // epoch_steps, "ba": index, "sp": index * batch_size}[duration.unit]
    repeats = steps_of_shares(shares, number)
    sides = np.repeat(np.array([size for _, size in shares]), repeats, axis=0)
    images = np.full(number, batch_size)
    return Steps(done / float(duration.value), index % epoch_steps, sides[:, 0], sides[:, 1], images, images)


def tally_of_steps(steps: "Steps") -> Tally:
    """Return the passes of all steps by the size of their images."""
    import numpy as np

    sides = 1 << 32
    sizes, kinds = np.unique(steps.height * sides + steps.width, return_inverse=True)
    tally: Tally = {}
    for number, size in enumerate(sizes.tolist()):
        chosen = kinds == number
        passes = Passes(int(steps.forward[chosen].sum()), int(steps.backward[chosen].sum()))
        tally[Kind(divmod(size, sides))] = passes
    return tally


def most_steps(cost: Callable[[int], int], limit: Fraction) -> int:
    """Return the most steps whose cost is within a limit; `cost` grows with the steps and is 0 for none."""
    high = 1
    while cost(high) <= limit:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) <= limit else (low, middle)
    return low
