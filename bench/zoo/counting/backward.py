"""The multiply-accumulates of a backward pass, which depend on what is trained: frozen layers save theirs."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bench.zoo.counting.cost import on_accepted_batch, per_image, plain_operations, scratch_copy

# BatchNorm needs two values a channel.
LEAST_BATCH = 2


def frozen_flags(parameters: Sequence[nn.Parameter]) -> str:
    """Return a "1" for each parameter that is frozen and a "0" for each other; nothing when none is frozen."""
    if all(parameter.requires_grad for parameter in parameters):
        return ""
    return "".join("0" if parameter.requires_grad else "1" for parameter in parameters)


def convolution_backward_flops(gradient: Any, image: Any, weight: Any, *settings: Any, out_shape: Any = None) -> int:
    """Return the FLOPs of a convolution's gradients from its shapes: the forward pass's for each that is asked for.

    In place of torch's own formula, which leaves the groups out and so counts a depthwise convolution far too high.
    """
    transposed, asked_for = settings[4], settings[7]
    places = image if transposed else gradient
    macs = places[0] * math.prod(places[2:]) * math.prod(weight)
    return 2 * macs * sum(asked_for[:2])


BACKWARD = {torch.ops.aten.convolution_backward: convolution_backward_flops}


def backward_macs(model: nn.Module, input_shape: tuple[int, ...], frozen: str = "") -> int:
    """Return the MACs of the backward pass of one image of `input_shape` (C, H, W), by FlopCounterMode, halved.

    `frozen` says which parameters are frozen (`frozen_flags`), whatever the model's own say now. Counted is what
    autograd computes: no gradient of a frozen weight, and none of an input below which nothing is trained, such as the
    image. Raises CountError when the model takes no batch.
    """
    twin = scratch_copy(model).train()
    for number, parameter in enumerate(twin.parameters()):
        parameter.requires_grad_(frozen[number : number + 1] != "1")

    def run(batch: int) -> int:
        """Count a batch's backward pass."""
        counter = FlopCounterMode(display=False, custom_mapping=BACKWARD)
        with plain_operations(), torch.enable_grad():
            outputs = twin(torch.zeros(batch, *input_shape)).sum()
            if not outputs.requires_grad:
                return 0
            with counter:
                outputs.backward()
        twin.zero_grad(set_to_none=True)
        return per_image(counter.get_total_flops(), 2 * batch)

    return on_accepted_batch(run, first=LEAST_BATCH)


def saved_by_freezing(model: nn.Module, input_shape: tuple[int, ...], frozen: str) -> int:
    """Return by how many MACs the backward pass of one image is cheaper where parameters are frozen."""
    return backward_macs(model, input_shape) - backward_macs(model, input_shape, frozen)
