"""Clip the norm of the gradients on their way into a fused update, which saves a pass over all of them."""

from collections.abc import Iterable

import torch
from composer.algorithms import GradientClipping
from composer.core import Event, State
from composer.loggers import Logger
from torch import Tensor, optim

# What torch adds to a norm before it divides by it (`torch.nn.utils.clip_grads_with_norm_`).
EPSILON = 1e-6


def divides(optimizer: optim.Optimizer) -> bool:
    """Tell whether an optimizer's kernel divides the gradients by its `grad_scale`: torch's own, when fused, do."""
    return isinstance(optimizer, optim.SGD | optim.Adam) and bool(optimizer.defaults.get("fused"))


def norm_divisor(gradients: Iterable[Tensor], threshold: float) -> Tensor:
    """Return by what to divide gradients so that their common 2-norm is at most `threshold`: a scalar of at least 1.

    It is NaN where the norm is, as for `torch.nn.utils.clip_grad_norm_` (Pascanu et al., ICML 2013).
    """
    norm = torch.nn.utils.get_total_norm(gradients)
    return ((norm + EPSILON) / threshold).clamp(min=1.0)


class FusedClipping(GradientClipping):
    """Composer's clipping; by norm and before a fused update, the update's own kernel scales the gradients."""

    def apply(self, event: Event, state: State, logger: Logger) -> int | None:
        """Clip the gradients after a batch, or hand the optimizer what to divide them by."""
        optimizer = state.optimizers[0] if state.optimizers else None
        folded = self.clipping_type == "norm" and optimizer is not None and divides(optimizer)
        if event != Event.AFTER_TRAIN_BATCH or optimizer is None or not folded:
            return super().apply(event, state, logger)
        parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        # Read by this step's update, and replaced before the next one.
        optimizer.grad_scale = norm_divisor(gradients, self.clipping_threshold)
        return None
