"""Time several workloads in turns (A B A B …), so that the machine's noise affects all of them alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Work = Callable[[], object]


@dataclass(frozen=True)
class Times:
    """Seconds of each round: wall-clock time, and this process's CPU time."""

    wall: list[float]
    processor: list[float]


class Spread(NamedTuple):
    """The median of several values and their lower and upper quartiles."""

    median: float
    lower: float
    upper: float

    def show(self, digits: int) -> str:
        """Return the median and the quartiles, with `digits` decimals."""
        return f"{self.median:,.{digits}f} [{self.lower:,.{digits}f} … {self.upper:,.{digits}f}]"


def spread(values: Sequence[float]) -> Spread:
    """Return the median and quartiles of values."""
    lower, median, upper = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
    return Spread(median, lower, upper)


def take_turns(works: Mapping[str, Work], rounds: int) -> dict[str, Times]:
    """Return the times of each workload over a number of rounds, after a discarded warm-up round."""
    times = {name: Times([], []) for name in works}
    for turn in range(rounds + 1):
        for name, work in works.items():
            wall, processor = time.perf_counter(), time.process_time()
            work()
            if turn:
                times[name].wall.append(time.perf_counter() - wall)
                times[name].processor.append(time.process_time() - processor)
    return times


def best_of(work: Work, rounds: int = 15) -> float:
    """Return the lower quartile of a workload's CPU seconds: its cost with little interference."""
    return spread(take_turns({"": work}, rounds)[""].processor).lower
