"""Train for a given time: Composer refuses wall-clock durations, so a callback ends the run at a deadline."""

import math

from composer.core import Callback, State
from composer.loggers import Logger
from composer.optim import ComposerScheduler

# A duration that no run reaches: the deadline ends the training.
UNREACHABLE = "1000000000ba"


def elapsed(state: State, seconds: int) -> float:
    """Return the share of the time that has been trained, in [0, 1]; evaluation does not count, all ranks agree."""
    trained = state.timestamp.total_wct
    return min(1.0, trained.total_seconds() / seconds) if trained is not None else 0.0


def multiplier(name: str, progress: float, final: float) -> float:
    """Return the learning rate's share after a share of the run (cosine: Loshchilov and Hutter, SGDR, ICLR 2017)."""
    shapes = {"cosine": 0.5 * (1 + math.cos(math.pi * progress)), "linear": 1 - progress, "constant": 1.0}
    return shapes[name] if name == "constant" else final + (1 - final) * shapes[name]


class DeadlineSchedule(ComposerScheduler):
    """Follow a schedule over the seconds of training."""

    def __init__(self, name: str, seconds: int, final: float) -> None:
        """Take the schedule's name, the run's seconds, and the share of the learning rate at its end."""
        self.name, self.seconds, self.final = name, seconds, final

    def __call__(self, state: State, ssr: float = 1.0) -> float:
        """Return the share of the learning rate now."""
        return multiplier(self.name, elapsed(state, self.seconds), self.final)


class Deadline(Callback):
    """Stop after the batch in which the seconds of training are used up."""

    def __init__(self, seconds: int) -> None:
        """Take the seconds."""
        self.seconds = seconds

    def batch_end(self, state: State, logger: Logger) -> None:
        """Stop when the time is up."""
        if elapsed(state, self.seconds) >= 1.0:
            state.stop_training()
