"""Ghost batch normalization: in training each part of a batch has its own statistics; evaluation uses the running ones.

Hoffer, Hubara and Soudry, "Train longer, generalize better", NeurIPS 2017. It pays for large batches, whose statistics
are less noisy than small ones'; it costs one BatchNorm call for each part. Training is bit-equal to Composer's module
of the same name, which also divides a batch in evaluation, refuses one smaller than `ghost_batch_size`, and rounds
differently for each batch size.
"""

import math

import torch
from composer.core import Algorithm, Event, State
from composer.loggers import Logger
from composer.utils.module_surgery import replace_module_classes
from torch import Tensor, nn

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class GhostBatchNormLayer(nn.Module):
    """A BatchNorm layer that in training normalises parts of at most `ghost_batch_size` samples by themselves.

    In training a batch smaller than a part is refused with a ValueError: it would be normalised as by plain BatchNorm.

    Parameters and running statistics are those of `batchnorm`.
    """

    def __init__(self, batchnorm: nn.modules.batchnorm._BatchNorm, ghost_batch_size: int) -> None:
        super().__init__()
        self.batchnorm, self.ghost_batch_size = batchnorm, ghost_batch_size

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the normalised inputs (N×C×…), and update the running statistics in training."""
        if not self.training:
            return self.batchnorm(inputs)
        samples = len(inputs)
        if samples < self.ghost_batch_size:
            raise ValueError(f"a batch of {samples} is smaller than the ghost batch of {self.ghost_batch_size}")
        parts = math.ceil(samples / self.ghost_batch_size)
        momentum = self.batchnorm.momentum
        # The running statistics move as far a step as with one call, not `parts` times as far.
        self.batchnorm.momentum = None if momentum is None else momentum / parts
        try:
            return torch.cat([self.batchnorm(part) for part in inputs.chunk(parts)])
        finally:
            self.batchnorm.momentum = momentum


def use_ghost_batches(model: nn.Module, ghost_batch_size: int, optimizers: object = None) -> int:
    """Replace every BatchNorm of a model in place, and return how many there were; parameters stay the same objects."""
    policy = dict.fromkeys(BATCH_NORMS, lambda layer, _: GhostBatchNormLayer(layer, ghost_batch_size))
    return len(replace_module_classes(model, policies=policy, optimizers=optimizers))


class GhostBatchNorm(Algorithm):
    """Use ghost batches of `ghost_batch_size` samples in every BatchNorm of the model."""

    def __init__(self, ghost_batch_size: int = 32) -> None:
        self.ghost_batch_size = ghost_batch_size

    def match(self, event: Event, state: State) -> bool:
        """Run once, when the model has been built."""
        return event == Event.INIT

    def apply(self, event: Event, state: State, logger: Logger) -> None:
        """Replace the model's BatchNorm layers."""
        use_ghost_batches(state.model, self.ghost_batch_size, state.optimizers)
