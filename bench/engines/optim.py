"""Optimizer of a spec."""

from typing import Any

from torch import nn, optim

from bench.spec import AdamWSection, RunSpec, SGDSection


def parameter_groups(model: nn.Module, weight_decay: float, decay_norm_bias: bool) -> list[dict[str, Any]]:
    """Return the parameter groups: one, or a second without weight decay for biases and norms (as timm splits them)."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    if decay_norm_bias:
        return [{"params": parameters, "weight_decay": weight_decay}]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def build_optimizer(model: nn.Module, section: SGDSection | AdamWSection, *, fused: bool) -> optim.Optimizer:
    """Return the optimizer that the section declares; `fused` updates all parameters in one kernel."""
    groups = parameter_groups(model, section.weight_decay, section.decay_norm_bias)
    if isinstance(section, SGDSection):
        return optim.SGD(groups, lr=section.lr, momentum=section.momentum, nesterov=section.nesterov, fused=fused)
    return optim.AdamW(groups, lr=section.lr, betas=(section.beta1, section.beta2), eps=section.eps, fused=fused)


def can_fuse(spec: RunSpec) -> bool:
    """Tell whether the fused kernels apply: Composer unscales fp16 gradients itself, which they would do again."""
    return spec.precision != "amp_fp16"
