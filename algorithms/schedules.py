"""Learning-rate schedules as pure functions of a run's progress, in one visible dict.

Each takes the share of the run that is over, an exact fraction in [0, 1], and its settings, and returns what the
optimizer's learning rate is multiplied by. Every length among the settings is a share of the run too. The warm-up is
the same for all: linear from 0.

The fractions are exact so that the factor does not depend on how the lengths were declared: 5 of 200 epochs, 1,950 of
78,000 batches and 0.025 of the run give the same bits. cosine, linear and constant equal Composer's schedulers of
these names to the last bit.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any


def lr_factor(name: str, progress: Fraction, *, warmup: Fraction, **settings: Any) -> float:
    """Return the factor of a schedule in SCHEDULES after a share `progress` of the run."""
    if progress < warmup:
        return float(progress / warmup)
    return SCHEDULES[name](progress, warmup, **settings)


def after(progress: Fraction, start: Fraction) -> float:
    """Return how much of what follows `start` is over, in [0, 1]; nothing follows a start at the end of the run."""
    return float((progress - start) / (1 - start)) if start < 1 else 0.0


def constant(progress: Fraction, warmup: Fraction) -> float:
    """Keep the learning rate after the warm-up."""
    return 1.0


def linear(progress: Fraction, warmup: Fraction, *, final: float) -> float:
    """Fall linearly from the end of the warm-up to `final` at the end of the run."""
    return 1.0 + after(progress, warmup) * (final - 1.0)


def cosine(progress: Fraction, warmup: Fraction, *, final: float) -> float:
    """Fall along half a cosine to `final`, without restarts (Loshchilov and Hutter, SGDR, ICLR 2017)."""
    return final + (1.0 - final) * (1 + math.cos(after(progress, warmup) * math.pi)) / 2


def rex(progress: Fraction, warmup: Fraction, *, final: float) -> float:
    """Fall slowly first and fast at the end: (1 - p) / (1/2 + (1 - p)/2) (Chen et al., REX, MLSys 2022).

    The paper found it at least as good as linear when the budget is short. `final` scales the curve to end there.
    """
    left = 1.0 - after(progress, warmup)
    return final + (1.0 - final) * left / (0.5 + 0.5 * left)


def trapezoid(progress: Fraction, warmup: Fraction, *, cooldown: Fraction, final: float) -> float:
    """Keep the learning rate, then fall linearly to `final` over the last share `cooldown` of the run.

    Also called warmup-stable-decay; against cosine and over lengths of training: Hägele et al., NeurIPS 2024.
    """
    start = max(warmup, 1 - cooldown)
    return 1.0 if progress <= start else 1.0 + after(progress, start) * (final - 1.0)


def multistep(progress: Fraction, warmup: Fraction, *, milestones: Sequence[Fraction], gamma: float) -> float:
    """Multiply by `gamma` at each milestone, counted from the start of the run (He et al., ResNet, CVPR 2016)."""
    return gamma ** sum(progress >= milestone for milestone in milestones)


SCHEDULES: dict[str, Callable[..., float]] = {
    "cosine": cosine,
    "linear": linear,
    "constant": constant,
    "trapezoid": trapezoid,
    "rex": rex,
    "multistep": multistep,
}
