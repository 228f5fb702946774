"""Measure a run through `bench.train`'s own path, alternating with other variants between its windows."""

import time
from collections.abc import Callable, Mapping

from composer.core import Callback, State
from composer.loggers import Logger

from bench.speed.variants import REWARM_STEPS, Variant

OURS = "ours"
WARM_STEPS, SCOUT_STEPS = 3, 2
# The data path augments several batches of 128 at once: a window of whole groups carries its full cost.
GROUP = 6


class Measured(Exception):
    """Raised to end a run that was started only to be measured."""


def window_steps(seconds_a_step: float, target: float) -> int:
    """Return how many steps fill a window of `target` seconds: one long step, or whole groups of shorter ones."""
    steps = max(1, round(target / max(seconds_a_step, 1e-6)))
    return steps if steps == 1 else -(-steps // GROUP) * GROUP


class Alternation(Callback):
    """Time windows of the run's steps, and after each one the other variants' same number of steps; then end the run.

    A window lasts from the end of a discarded step, which warms the caches again, to the end of its last step, so it
    includes the loader, events, callbacks and logging. It lasts about `target` seconds; `wait` waits for the device.
    `seconds[variant]` has one value a round.
    """

    def __init__(
        self, variants: Mapping[str, Variant], *, rounds: int, target: float, wait: Callable[[], None]
    ) -> None:
        self.variants, self.rounds, self.target, self._wait = variants, rounds, target, wait
        self.seconds: dict[str, list[float]] = {name: [] for name in (OURS, *variants)}
        self.steps = SCOUT_STEPS
        self._taken = -WARM_STEPS
        self._began = 0.0
        self._scouting = True

    def batch_end(self, state: State, logger: Logger) -> None:
        """Count the step; at the end of a window run the other variants."""
        self._taken += 1
        if self._taken == 0:
            self._began = time.perf_counter()
        elif self._taken == self.steps:
            self._wait()
            self._end_window(time.perf_counter() - self._began)

    def _end_window(self, seconds: float) -> None:
        """Record the window's time and run the other variants; the first window only sets the number of steps."""
        if self._scouting:
            self._scouting = False
            self.steps = window_steps(seconds / SCOUT_STEPS, self.target)
            for variant in self.variants.values():
                variant(SCOUT_STEPS)
        else:
            self.seconds[OURS].append(seconds)
            for name, variant in self.variants.items():
                self.seconds[name].append(variant(self.steps))
            if len(self.seconds[OURS]) >= self.rounds:
                raise Measured
        self._taken = -REWARM_STEPS
