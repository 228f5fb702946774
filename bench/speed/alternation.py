"""Measure a run through `bench.train`'s own path in turns with others, who have theirs between its windows."""

import time
from collections.abc import Callable, Mapping

from composer.core import Callback, State
from composer.loggers import Logger

from bench.speed.sides import AGAIN_WARM, Side

OURS = "ours"
WARM_STEPS, SCOUT_STEPS = 3, 2
# The data path augments several batches of 128 at once: a window of whole groups has whole costs.
GROUP = 6


class Measured(Exception):
    """End a run that was only started to be measured."""


def window_steps(seconds_a_step: float, target: float) -> int:
    """Return how many steps fill a window of so many seconds: one that is long, or whole groups of shorter ones."""
    steps = max(1, round(target / max(seconds_a_step, 1e-6)))
    return steps if steps == 1 else -(-steps // GROUP) * GROUP


class Alternation(Callback):
    """Time windows of the run's steps, and after each one the other sides' same number of steps; then end the run.

    A window lasts from the end of a step that is thrown away, as it finds the caches as the others left them, to the
    end of its last step, so the loader, the events, the callbacks and the logging of those steps are all in it.
    `seconds[side]` has a figure a round.
    """

    def __init__(self, sides: Mapping[str, Side], *, rounds: int, target: float, wait: Callable[[], None]) -> None:
        """Take the other sides, how many rounds, seconds of a window, and what waits for the device."""
        self.sides, self.rounds, self.target, self._wait = sides, rounds, target, wait
        self.seconds: dict[str, list[float]] = {name: [] for name in (OURS, *sides)}
        self.steps = SCOUT_STEPS
        self._taken = -WARM_STEPS
        self._began = 0.0
        self._scouting = True

    def batch_end(self, state: State, logger: Logger) -> None:
        """Count the step; at the end of a window let the others have their turn."""
        self._taken += 1
        if self._taken == 0:
            self._began = time.perf_counter()
        elif self._taken == self.steps:
            self._wait()
            self._end_window(time.perf_counter() - self._began)

    def _end_window(self, seconds: float) -> None:
        """Keep what the window took and let the others have theirs; the first window only tells how long to make it."""
        if self._scouting:
            self._scouting = False
            self.steps = window_steps(seconds / SCOUT_STEPS, self.target)
            for side in self.sides.values():
                side(SCOUT_STEPS)
        else:
            self.seconds[OURS].append(seconds)
            for name, side in self.sides.items():
                self.seconds[name].append(side(self.steps))
            if len(self.seconds[OURS]) >= self.rounds:
                raise Measured
        self._taken = -AGAIN_WARM
