"""Stochastic weight averaging: towards the end of a run the weights become the mean of those that it went through.

Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", UAI 2018. It pays for runs whose
learning rate stays high to the end; it costs a second copy of the weights. The average has other activations than the
weights it was made of, so BatchNorm's statistics must be estimated anew before it is evaluated.

Unlike Composer's algorithm of the same name, this one also averages in a run that ends in mid-epoch, and goes on from a
checkpoint with any number of processes.
"""

from collections.abc import Sequence
from typing import Any

import torch
from composer.core import Algorithm, Event, State, Time, TimeUnit
from composer.loggers import Logger
from torch import Tensor

EVENTS = {TimeUnit.BATCH: Event.BATCH_END, TimeUnit.EPOCH: Event.EPOCH_END}


def update_mean(mean: Sequence[Tensor], values: Sequence[Tensor], count: int) -> None:
    """Make the mean of `count` values, at least one, that of one more, in place."""
    with torch.no_grad():
        for average, value in zip(mean, values, strict=True):
            average.add_((value - average) / (count + 1))


def has_come(point: Time, state: State) -> bool:
    """Tell whether a run has come to a point in it: epochs, batches, samples, or a share of its duration."""
    if point.unit != TimeUnit.DURATION:
        return bool(state.timestamp.get(point.unit) >= point)
    passed = state.get_elapsed_duration()
    return passed is not None and bool(passed >= point)


class SWA(Algorithm):
    """Average the weights every `update_interval` from `swa_start` on, and put the average in their place once.

    That is at the first update from `swa_end` on, after which training goes on from there, or else at the run's end.
    `update_interval` counts epochs or batches; the weights of the update that ends the averaging are part of it only if
    they are at the interval. `averaged` tells whether the model holds the average.
    """

    def __init__(self, swa_start: str = "0.7dur", swa_end: str = "0.97dur", update_interval: str = "1ep") -> None:
        self.start, self.end = Time.from_timestring(swa_start), Time.from_timestring(swa_end)
        interval = Time.from_timestring(update_interval)
        self.event, self.interval = EVENTS[interval.unit], int(interval.value)
        self.average: list[Tensor] = []
        # Updates since the start, and how many of them were at the interval.
        self.updates, self.count = 0, 0
        self.averaged = False

    def match(self, event: Event, state: State) -> bool:
        """Run at the end of each batch or epoch from the start on, and at the end of training, until it is done."""
        if self.averaged:
            return False
        return event == Event.FIT_END or (event == self.event and has_come(self.start, state))

    def apply(self, event: Event, state: State, logger: Logger) -> None:
        """Add the weights to the average if it is their turn; put the average in their place if it is its end."""
        weights = list(state.model.parameters())
        if event != Event.FIT_END:
            self._update(weights)
        if self.count and (event == Event.FIT_END or has_come(self.end, state)):
            with torch.no_grad():
                for weight, average in zip(weights, self.average, strict=True):
                    weight.copy_(average)
            self.averaged, self.average = True, []

    def _update(self, weights: Sequence[Tensor]) -> None:
        """Add the weights to the average at every interval-th call."""
        if self.updates % self.interval == 0:
            if self.count:
                # Those of a checkpoint come on the CPU.
                self.average = [old.to(new.device) for old, new in zip(self.average, weights, strict=True)]
                update_mean(self.average, weights, self.count)
            else:
                self.average = [weight.detach().clone() for weight in weights]
            self.count += 1
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the average so far, in the order of the model's parameters, and how it was made."""
        return {"average": self.average, "updates": self.updates, "count": self.count, "averaged": self.averaged}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.average, self.updates = list(state["average"]), state["updates"]
        self.count, self.averaged = state["count"], state["averaged"]
