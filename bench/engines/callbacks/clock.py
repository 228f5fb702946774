"""Run the clock of a training: start-up, train, evaluation and checkpoints apart, the slowest rank's time reported."""

from typing import Any

import torch
from composer.core import Callback, State
from composer.loggers import Logger
from composer.utils import dist

from bench.engines.clock import Clock


def slowest(seconds: dict[str, float]) -> dict[str, float]:
    """Return each phase's seconds on the rank where it took longest; every rank must call it."""
    if dist.get_world_size() == 1:
        return dict(seconds)
    values = torch.tensor(list(seconds.values()), dtype=torch.float64)
    values = values.cuda() if torch.cuda.is_available() else values
    dist.all_reduce(values, reduce_operation="MAX")
    return dict(zip(seconds, values.tolist(), strict=True))


class ClockCallback(Callback):
    """Switch the clock, whose phase is `startup` at first, at Composer's events; put it first among the callbacks."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._paused: str | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the seconds so far on the slowest rank; every rank must call it."""
        return {"seconds": slowest(self.clock.read())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Add the seconds of the process that was interrupted."""
        for phase, seconds in state["seconds"].items():
            self.clock.seconds[phase] += seconds

    def fit_start(self, state: State, logger: Logger) -> None:
        """End start-up."""
        self.clock.switch("train")

    def eval_start(self, state: State, logger: Logger) -> None:
        """Pause what runs for an evaluation; the last one may come after training has ended."""
        self._paused = self.clock.switch("eval")

    def eval_end(self, state: State, logger: Logger) -> None:
        """Go on with what was paused."""
        self.clock.switch(self._paused)

    def fit_end(self, state: State, logger: Logger) -> None:
        """Stop."""
        self.clock.switch(None)
