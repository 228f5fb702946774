"""Compute the forward pass in bfloat16 on a CPU, where Composer refuses mixed precision."""

from typing import Any

import torch
from composer.core import Algorithm, Event, State
from composer.loggers import Logger

ENTER = (Event.BEFORE_FORWARD, Event.EVAL_BEFORE_FORWARD)
LEAVE = (Event.AFTER_FORWARD, Event.EVAL_AFTER_FORWARD)


def to_float32(outputs: Any) -> Any:
    """Return logits in float32: the CPU's log-softmax would otherwise stay in bfloat16 and lose the third digit."""
    return outputs.float() if isinstance(outputs, torch.Tensor) else outputs


class CPUAutocast(Algorithm):
    """Wrap forward in `torch.autocast("cpu", bfloat16)` and hand float32 logits to the loss.

    The loss stays outside the autocast region on purpose. On a GPU use Composer's `precision` in its place.
    """

    def __init__(self) -> None:
        """Take no settings."""
        self._context: torch.autocast | None = None

    def match(self, event: Event, state: State) -> bool:
        """Run around every forward pass, of training and of evaluation."""
        return event in ENTER or event in LEAVE

    def apply(self, event: Event, state: State, logger: Logger) -> None:
        """Enter or leave the autocast region."""
        if event in ENTER:
            self._context = torch.autocast("cpu", dtype=torch.bfloat16)
            self._context.__enter__()
            return
        if self._context is not None:
            self._context.__exit__(None, None, None)
            self._context = None
        state.outputs = to_float32(state.outputs)
