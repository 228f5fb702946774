"""Compute the forward pass in bfloat16 on a CPU, where Composer refuses mixed precision."""

from typing import Any

import torch
from composer.core import Algorithm, Event, State
from composer.loggers import Logger
from torch import Tensor, nn

ENTER = (Event.BEFORE_FORWARD, Event.EVAL_BEFORE_FORWARD)
LEAVE = (Event.AFTER_FORWARD, Event.EVAL_AFTER_FORWARD)


def to_float32(outputs: Any) -> Any:
    """Return logits in float32: the CPU's log-softmax would otherwise stay in bfloat16 and lose the third digit."""
    return outputs.float() if isinstance(outputs, torch.Tensor) else outputs


class Float32Conv2d(nn.Conv2d):
    """A convolution that is computed in float32 also where autocast reigns."""

    def forward(self, images: Tensor) -> Tensor:
        """Return the convolution of B×C×H×W images, in float32."""
        with torch.autocast("cpu", enabled=False):
            return super().forward(images.float())


def is_slow_in_bfloat16(module: nn.Module) -> bool:
    """Tell whether a module is a convolution that a CPU computes faster in float32 than in bfloat16.

    Depthwise ones whose kernel is larger than 3×3 or whose stride is above 1: `bench.speed depthwise` measures it, and
    `reports/speed.md` shows it for oneDNN of torch 2.7.
    """
    if type(module) is not nn.Conv2d or module.groups == 1 or module.groups != module.in_channels:
        return False
    return max(module.kernel_size) > 3 or max(module.stride) > 1


def keep_float32(network: nn.Module) -> int:
    """Let a network's convolutions that are slow in bfloat16 be computed in float32, in place; return how many."""
    slow = [module for module in network.modules() if is_slow_in_bfloat16(module)]
    for module in slow:
        # The same module in all but its forward: parameters, hooks and copies of it stay what they are.
        module.__class__ = Float32Conv2d
    return len(slow)


class CPUAutocast(Algorithm):
    """Wrap forward in `torch.autocast("cpu", bfloat16)` and hand float32 logits to the loss.

    The loss stays outside the autocast region on purpose, and so do convolutions that are slow in bfloat16. On a GPU
    use Composer's `precision` in its place.
    """

    def __init__(self) -> None:
        """Take no settings."""
        self._context: torch.autocast | None = None

    def match(self, event: Event, state: State) -> bool:
        """Run once at the start, and around every forward pass, of training and of evaluation."""
        return event == Event.INIT or event in ENTER or event in LEAVE

    def apply(self, event: Event, state: State, logger: Logger) -> None:
        """Choose the convolutions that stay in float32; enter or leave the autocast region."""
        if event == Event.INIT:
            keep_float32(state.model)
        elif event in ENTER:
            self._context = torch.autocast("cpu", dtype=torch.bfloat16)
            self._context.__enter__()
        else:
            if self._context is not None:
                self._context.__exit__(None, None, None)
                self._context = None
            state.outputs = to_float32(state.outputs)
