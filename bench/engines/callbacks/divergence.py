"""Stop a run whose loss is NaN or infinite: what it would learn from there on is nothing."""

import math

from composer.core import Callback, State
from composer.loggers import Logger

from bench.engines.stopping import Diverged


class StopAtDivergence(Callback):
    """Raise `Diverged` after the first step whose loss, averaged over the ranks, is no finite number."""

    def __init__(self) -> None:
        """Take no settings."""
        self._lr = math.nan

    def batch_start(self, state: State, logger: Logger) -> None:
        """Remember the learning rate of this step: after it, the schedule has moved on."""
        self._lr = float(state.optimizers[0].param_groups[0]["lr"])

    def batch_end(self, state: State, logger: Logger) -> None:
        """Look at the loss, which Composer has already brought to the host; all ranks see the same."""
        loss = float(state.total_loss_dict["loss/train/total"])
        if not math.isfinite(loss):
            epoch = int(state.timestamp.epoch) + 1
            raise Diverged(
                f"the loss became {loss}", step=int(state.timestamp.batch), epoch=epoch, lr=self._lr, loss=loss
            )
