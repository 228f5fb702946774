"""Lookahead: every few steps the weights are pulled back towards where they were.

What: beside the weights that an optimizer moves there is a slow copy of them. Every `interval` steps, and at the end of
the run, the copy moves by `alpha` of the way to the weights, and the weights continue from it.

When it pays: noisy steps at a high learning rate, such as SGD in short runs. Cost: a second copy of the weights.
The optimizer's momentum is kept as it is, and BatchNorm's statistics are those of the fast weights.

Source: Zhang et al., "Lookahead Optimizer: k steps forward, 1 step back", NeurIPS 2019.
"""

from collections.abc import Sequence
from typing import Any

import torch
from composer.core import Algorithm, Event, State
from composer.loggers import Logger
from torch import Tensor


def pull_back(slow: Sequence[Tensor], fast: Sequence[Tensor], alpha: float) -> None:
    """Move slow weights by a share `alpha` towards the fast ones, which then equal them, all in place."""
    with torch.no_grad():
        for one, other in zip(slow, fast, strict=True):
            one.lerp_(other, alpha)
            other.copy_(one)


class Lookahead(Algorithm):
    """Pull the weights back every `interval` steps by 1 - `alpha` of the way that they have come."""

    def __init__(self, interval: int = 5, alpha: float = 0.5) -> None:
        self.interval, self.alpha = interval, alpha
        self.slow: list[Tensor] = []

    def match(self, event: Event, state: State) -> bool:
        """Run when training starts, after each step and at the end."""
        return event in (Event.FIT_START, Event.BATCH_END, Event.FIT_END)

    def apply(self, event: Event, state: State, logger: Logger) -> None:
        """Keep the first weights, or pull back if it is time."""
        fast = list(state.model.parameters())
        if not self.slow:
            self.slow = [weight.detach().clone() for weight in fast]
        elif event != Event.FIT_START and self._is_due(event, int(state.timestamp.batch)):
            # Those of a checkpoint come on the CPU.
            self.slow = [old.to(new.device) for old, new in zip(self.slow, fast, strict=True)]
            pull_back(self.slow, fast, self.alpha)

    def _is_due(self, event: Event, steps: int) -> bool:
        """Tell whether to pull back after so many steps: once, where the end of the run is at the interval."""
        return (steps % self.interval == 0) is (event == Event.BATCH_END)

    def state_dict(self) -> dict[str, Any]:
        """Return the slow weights, in the order of the model's parameters."""
        return {"slow": self.slow}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.slow = list(state["slow"])
