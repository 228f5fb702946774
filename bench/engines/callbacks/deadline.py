"""Train for a given time: Composer refuses wall-clock durations, so a callback ends the run at a deadline."""

from datetime import timedelta
from fractions import Fraction
from functools import partial

from composer.core import Callback, State, Time, TimeUnit
from composer.loggers import Logger

# A duration that no run reaches: the deadline ends the training.
UNREACHABLE = "1000000000ba"
MICROSECOND = timedelta(microseconds=1)


def elapsed(state: State, seconds: int) -> Fraction:
    """Return the exact share of the time that is trained, in [0, 1]; evaluation does not count, all ranks agree."""
    trained = state.timestamp.total_wct or timedelta()
    return min(Fraction(1), Fraction(trained // MICROSECOND, seconds * 10**6))


def share_of_time(state: State, seconds: int) -> Time[float]:
    """Return `elapsed` as Composer's kind of time."""
    return Time(float(elapsed(state, seconds)), TimeUnit.DURATION)


class Deadline(Callback):
    """Stop after the batch in which the seconds of training are used up."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    def init(self, state: State, logger: Logger) -> None:
        """Let algorithms that act at a share of the run go by its time: its nominal duration is never reached."""
        state.get_elapsed_duration = partial(share_of_time, state, self.seconds)

    def batch_end(self, state: State, logger: Logger) -> None:
        """Stop when the time is up."""
        if elapsed(state, self.seconds) >= 1:
            state.stop_training()
