"""Clipping within the fused update trains as torch's clipping before it does."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from composer.core import Event, State
from torch import Tensor, nn, optim

from algorithms.clipping import FusedClipping, divides, norm_divisor
from bench.engines.optim import build_optimizer
from bench.spec import AdamWSection, SGDSection

SECTIONS = {"sgd": SGDSection(name="sgd", lr=0.1), "adamw": AdamWSection(name="adamw", lr=0.01)}


def train(section: Any, threshold: float, *, fused: bool, steps: int = 5, scale: float = 1.0) -> list[Tensor]:
    """Return the parameters of a small network after some steps, its gradients clipped."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 50), nn.ReLU(), nn.Linear(50, 3))
    optimizer = build_optimizer(network, section, fused=fused)
    state = cast("State", SimpleNamespace(model=network, optimizers=[optimizer], fsdp_config_version=0))
    clipping = FusedClipping("norm", threshold)
    for _ in range(steps):
        optimizer.zero_grad()
        (scale * network(torch.randn(8, 6)).square().sum()).backward()
        clipping.apply(Event.AFTER_TRAIN_BATCH, state, cast("Any", None))
        optimizer.step()
    return [parameter.detach() for parameter in network.parameters()]


@pytest.mark.parametrize("name", SECTIONS)
@pytest.mark.parametrize("threshold", [0.01, 1.0, 1e6])
def test_a_fused_update_clips_as_torch_does_before_an_unfused_one(name: str, threshold: float) -> None:
    for ours, theirs in zip(
        train(SECTIONS[name], threshold, fused=True), train(SECTIONS[name], threshold, fused=False), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_what_is_within_the_threshold_stays_bit_for_bit() -> None:
    unclipped = train(SECTIONS["sgd"], 1e8, fused=True, scale=0.01)
    assert all(map(torch.equal, train(SECTIONS["sgd"], 1e9, fused=True, scale=0.01), unclipped))
    assert not torch.allclose(train(SECTIONS["sgd"], 0.01, fused=True, scale=0.01)[0], unclipped[0])


def test_a_gradient_that_is_no_number_reaches_the_weights() -> None:
    assert all(weight.isnan().any() for weight in train(SECTIONS["sgd"], 1.0, fused=True, scale=float("nan")))


@pytest.mark.parametrize("size", [1, 7, 40_000])
def test_divided_gradients_have_the_norm_that_torch_clips_to(size: int) -> None:
    torch.manual_seed(size)
    for factor in (1e-3, 1.0, 1e3):
        parameters = [nn.Parameter(torch.zeros(size)) for _ in range(3)]
        for parameter in parameters:
            parameter.grad = factor * torch.randn(size)
        gradients = [cast("Tensor", parameter.grad) for parameter in parameters]
        divided = [gradient / norm_divisor(gradients, 1.0) for gradient in gradients]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for ours, parameter in zip(divided, parameters, strict=True):
            torch.testing.assert_close(ours, cast("Tensor", parameter.grad))


def test_only_fused_optimizers_of_torch_divide() -> None:
    parameters = [nn.Parameter(torch.zeros(2))]
    assert divides(optim.SGD(parameters, 0.1, fused=True))
    assert divides(optim.AdamW(parameters, 0.1, fused=True))
    assert not divides(optim.SGD(parameters, 0.1))
    assert not divides(optim.RMSprop(parameters, 0.1))


@pytest.mark.parametrize("kind", ["value", "adaptive"])
def test_the_other_kinds_of_clipping_are_composers(kind: str) -> None:
    network = nn.Linear(4, 4)
    optimizer = optim.SGD(network.parameters(), 0.1, fused=True)
    network(torch.ones(1, 4)).sum().mul(100).backward()
    state = cast("State", SimpleNamespace(model=network, optimizers=[optimizer], fsdp_config_version=0))
    FusedClipping(kind, 0.5).apply(Event.AFTER_TRAIN_BATCH, state, cast("Any", None))
    assert network.weight.grad is not None
    assert network.weight.grad.abs().max() <= 0.5
    assert not hasattr(optimizer, "grad_scale")
