"""Optimizer of a spec."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn, optim

from algorithms.muon import Muon, hidden_matrices
from bench.engines.precision import dtype_of
from bench.spec import AdamWSection, Decay, MuonSection, OptimizerSection, SGDSection


def linear_weights(model: nn.Module) -> set[int]:
    """Return the ids of the weights of linear layers."""
    return {id(module.weight) for module in model.modules() if isinstance(module, nn.Linear)}


def parameter_groups(
    model: nn.Module, parameters: Sequence[nn.Parameter], weight_decay: float, decay: Decay
) -> list[dict[str, Any]]:
    """Return the parameters as one group, or as two of which the second is not decayed.

    `decay` "weights" spares biases and norms, as timm splits them; "linear" decays the weights of linear layers alone.
    """
    if decay == "all":
        return [{"params": list(parameters), "weight_decay": weight_decay}]
    linear = linear_weights(model)
    decayed = {id(p) for p in parameters if (p.ndim > 1 if decay == "weights" else id(p) in linear)}
    return [
        {"params": [p for p in parameters if id(p) in decayed], "weight_decay": weight_decay},
        {"params": [p for p in parameters if id(p) not in decayed], "weight_decay": 0.0},
    ]


def build_optimizer(
    model: nn.Module,
    section: OptimizerSection,
    *,
    fused: bool = True,
    scaled: bool = False,
    dtype: torch.dtype = torch.float32,
) -> optim.Optimizer:
    """Return the optimizer that the section declares; `fused` updates all parameters in one kernel.

    `scaled`: a gradient scaler will step it, and skip the steps whose gradients overflow. `dtype` is that of Muon's
    products (`product_dtype`).
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not isinstance(section, MuonSection):
        optimizer = build_plain(model, parameters, section, fused=fused)
        if scaled and isinstance(optimizer, optim.SGD):
            optimizer.register_step_pre_hook(start_momentum)
        return optimizer
    matrices = hidden_matrices(model)
    chosen = {id(p) for p in matrices}
    rest = build_plain(model, [p for p in parameters if id(p) not in chosen], section.rest, fused=fused)
    return Muon(matrices, rest, **section.model_dump(exclude={"name", "rest"}), dtype=dtype)


def product_dtype(device: str, precision: str) -> torch.dtype:
    """Return the type of an optimizer's matrix products on a device ("cpu" or "gpu") in a precision.

    Muon's authors take them in bfloat16 everywhere; here runs on GPUs stay as they are.
    """
    return dtype_of(precision) if device == "cpu" else torch.float32


def build_plain(
    model: nn.Module, parameters: Sequence[nn.Parameter], section: SGDSection | AdamWSection, *, fused: bool
) -> optim.Optimizer:
    """Return torch's SGD or AdamW of some of a model's parameters."""
    groups = parameter_groups(model, parameters, section.weight_decay, section.decay)
    if isinstance(section, SGDSection):
        return optim.SGD(groups, lr=section.lr, momentum=section.momentum, nesterov=section.nesterov, fused=fused)
    return optim.AdamW(groups, lr=section.lr, betas=(section.beta1, section.beta2), eps=section.eps, fused=fused)


def start_momentum(optimizer: optim.Optimizer, *_: Any) -> None:
    """Give every parameter that is about to be updated for the first time a momentum of zero.

    torch 2.7's fused SGD writes the momentum in its first update; if a gradient scaler skips that one, the second goes
    on from memory that was never written. From zero the first update is the same.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"] if group["momentum"] else []:
            if parameter.grad is not None and "momentum_buffer" not in optimizer.state[parameter]:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter.grad)
