"""Evaluate one model on all ranks: the first rank's, which is also the one that is saved."""

from composer.core import Callback, State
from composer.loggers import Logger
from composer.utils import dist
from torch import nn


def broadcast_buffers(model: nn.Module) -> None:
    """Give every rank the first one's buffers (the batch norms' running statistics); every rank must call it."""
    if dist.get_world_size() > 1:
        for _, buffer in sorted(model.named_buffers()):
            dist.broadcast(buffer, src=0)


class BroadcastBuffers(Callback):
    """Share the buffers before each evaluation.

    DDP shares them before each training step, but each rank then moves its own by its own part of the batch, and an
    average of weights (EMA) follows those. Without this, each rank would evaluate its images with another model.
    """

    def eval_start(self, state: State, logger: Logger) -> None:
        """Share the buffers of the weights that are about to be evaluated, which algorithms have put in place."""
        broadcast_buffers(state.model)
