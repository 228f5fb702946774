"""What the family tests count: parameters, multiply-accumulates on the meta device, and reach in pixels."""

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a model without storage, in evaluation mode."""
    with torch.device("meta"):
        return build().eval()


def parameters(model: nn.Module) -> int:
    """Count the trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def macs(model: nn.Module, size: int = 32) -> float:
    """Count the multiply-accumulates of one 3×size×size image through a model on the meta device."""
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, size, size, device="meta"))
    return counter.get_total_flops() / 2


def modules_of(model: nn.Module, kind: type) -> Iterator[nn.Module]:
    """Yield the model's modules of one class."""
    return (module for module in model.modules() if isinstance(module, kind))


def support(body: Callable[[torch.Tensor], torch.Tensor], channels: int, size: int) -> torch.Tensor:
    """Return the size×size mask of input pixels that the centre pixel of the output depends on."""
    x = torch.rand(1, channels, size, size, requires_grad=True)
    body(x)[:, :, size // 2, size // 2].sum().backward()
    assert x.grad is not None
    return x.grad.abs().sum((0, 1)) > 0
