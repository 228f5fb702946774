"""Stop a run whose loss is NaN or infinite, or whose every step is skipped: it would learn nothing from there on.

A step whose gradients overflow in float16 is no divergence: the gradient scaler skips it and halves its scale. But once
that has fallen from 65,536 to below 1, nearly every step was skipped.
"""

import math

from composer.core import Callback, State
from composer.loggers import Logger

from bench.engines.stopping import Diverged

SMALLEST_SCALE = 1.0


class StopAtDivergence(Callback):
    """Raise `Diverged` after a step whose loss, averaged over the ranks, is non-finite, or whose scale is too small."""

    def __init__(self) -> None:
        self._lr = math.nan

    def batch_start(self, state: State, logger: Logger) -> None:
        """Remember the learning rate of this step: after it, the schedule has moved on."""
        self._lr = float(state.optimizers[0].param_groups[0]["lr"])

    def batch_end(self, state: State, logger: Logger) -> None:
        """Look at the loss, which Composer has already brought to the host; all ranks see the same."""
        loss = float(state.total_loss_dict["loss/train/total"])
        if not math.isfinite(loss):
            raise self._diverged(state, f"the loss became {loss}", loss)
        if state.scaler is not None and state.scaler.get_scale() < SMALLEST_SCALE:
            raise self._diverged(state, "the gradients overflow in float16 even at the smallest loss scale", loss)

    def _diverged(self, state: State, reason: str, loss: float) -> Diverged:
        """Return the error for the step that has just been taken."""
        step, epoch = int(state.timestamp.batch), int(state.timestamp.epoch) + 1
        return Diverged(reason, step=step, epoch=epoch, lr=self._lr, loss=loss)
