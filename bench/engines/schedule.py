"""The learning rate while a run trains: a thin Composer scheduler over the pure functions of `algorithms.schedules`."""

from fractions import Fraction

from composer.core import State
from composer.optim import ComposerScheduler

from algorithms.schedules import lr_factor
from bench.engines.callbacks.deadline import elapsed
from bench.schedule import shares
from bench.spec import RunSpec


class RunSchedule(ComposerScheduler):
    """Return the factor of a spec's schedule at a state; to be called every step.

    `epoch_batches` are the steps of an epoch. Runs of given seconds follow the share of their time. Composer calls a
    schedule once before the first step and then after each step before it counts it, so every step but the first
    trains with the factor of the step before.
    """

    def __init__(self, spec: RunSpec, epoch_batches: int) -> None:
        self.name, self.settings = spec.schedule.name, shares(spec, epoch_batches)
        length = spec.max_duration
        self.seconds, self.samples = length.seconds, length.unit == "sp"
        self.total = int(length.value) if self.seconds or self.samples else length.steps(epoch_batches)

    def __call__(self, state: State, ssr: float = 1.0) -> float:
        """Return the factor now."""
        return lr_factor(self.name, self.progress(state), **self.settings)

    def progress(self, state: State) -> Fraction:
        """Return the share of the run that is over, at most 1: the last step of a run in samples may go beyond."""
        if self.seconds:
            return elapsed(state, self.seconds)
        done = state.timestamp.sample if self.samples else state.timestamp.batch
        return min(Fraction(1), Fraction(int(done), self.total))
