"""Training with a gradient scaler, as `amp_fp16` on a GPU does: its logic on a CPU, where `GradScaler("cpu")` runs."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from composer.core import Event, State
from torch import Tensor, nn, optim
from torch.amp import GradScaler

from algorithms.clipping import FusedClipping
from bench.engines.optim import build_optimizer, start_momentum
from bench.spec import AdamWSection, MuonSection, OptimizerSection, SGDSection

SECTIONS: dict[str, OptimizerSection] = {
    "sgd": SGDSection(name="sgd", lr=0.1, weight_decay=5e-4),
    "nesterov": SGDSection(name="sgd", lr=0.1, nesterov=True),
    "no momentum": SGDSection(name="sgd", lr=0.1, momentum=0.0),
    "adamw": AdamWSection(name="adamw", lr=0.01, weight_decay=0.05),
    "muon": MuonSection(name="muon", lr=0.1, rest=SGDSection(name="sgd", lr=0.1)),
}


def train(
    section: OptimizerSection,
    *,
    scaled: bool,
    overflows: tuple[int, ...] = (),
    threshold: float | None = 0.5,
    fused: bool = True,
    steps: int = 6,
) -> list[Tensor]:
    """Return the weights after some steps in Composer's order: backward, unscale, clip, step, update.

    At the steps of `overflows` the gradients are infinite: the scaled training skips them, the other leaves them out.
    """
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 50), nn.ReLU(), nn.Linear(50, 3))
    optimizer = build_optimizer(network, section, fused=fused, scaled=scaled)
    scaler = GradScaler("cpu", enabled=scaled)
    state = cast("State", SimpleNamespace(model=network, optimizers=[optimizer], fsdp_config_version=0))
    batches = torch.randn(steps, 8, 6, generator=torch.Generator().manual_seed(1))
    for step, batch in enumerate(batches):
        if step in overflows and not scaled:
            continue
        optimizer.zero_grad()
        loss = network(batch).square().mean() * (float("inf") if step in overflows else 1.0)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        if threshold is not None:
            FusedClipping("norm", threshold).apply(Event.AFTER_TRAIN_BATCH, state, cast("Any", None))
        scaler.step(optimizer)
        scaler.update()
    return [parameter.detach() for parameter in network.parameters()]


@pytest.mark.parametrize("threshold", [None, 0.01, 1e6])
@pytest.mark.parametrize("name", SECTIONS)
def test_a_scaled_training_is_the_same_training(name: str, threshold: float | None) -> None:
    """The scale is a power of two: it leaves no trace in float32, neither in the clipping nor in the fused update."""
    scaled = train(SECTIONS[name], scaled=True, threshold=threshold)
    assert all(map(torch.equal, scaled, train(SECTIONS[name], scaled=False, threshold=threshold)))


@pytest.mark.parametrize("overflows", [(0,), (3,), (0, 1, 4)])
@pytest.mark.parametrize("name", SECTIONS)
def test_a_step_that_overflows_is_as_if_it_had_not_been(name: str, overflows: tuple[int, ...]) -> None:
    """Also the very first one, after which torch's fused SGD alone would go on from memory that nobody wrote."""
    scaled = train(SECTIONS[name], scaled=True, overflows=overflows)
    assert all(map(torch.equal, scaled, train(SECTIONS[name], scaled=False, overflows=overflows)))


@pytest.mark.parametrize("name", SECTIONS)
def test_a_fused_scaled_update_is_that_of_torch_s_own_clipping(name: str) -> None:
    ours = train(SECTIONS[name], scaled=True, overflows=(0, 2), threshold=0.1)
    theirs = train(SECTIONS[name], scaled=True, overflows=(0, 2), threshold=0.1, fused=False)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-5, atol=1e-6)


def test_momentum_begins_at_zero_once() -> None:
    network = nn.Linear(4, 4)
    optimizer = optim.SGD(network.parameters(), 0.1, momentum=0.9, fused=True)
    start_momentum(optimizer)
    assert not optimizer.state[network.weight], "a parameter without a gradient is not updated"
    network(torch.ones(1, 4)).sum().backward()
    start_momentum(optimizer)
    assert torch.equal(optimizer.state[network.weight]["momentum_buffer"], torch.zeros(4, 4))
    optimizer.state[network.weight]["momentum_buffer"].fill_(3.0)
    start_momentum(optimizer)
    assert torch.equal(optimizer.state[network.weight]["momentum_buffer"], torch.full((4, 4), 3.0))


def test_momentum_has_the_memory_format_of_its_gradient() -> None:
    convolution = nn.Conv2d(4, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = build_optimizer(convolution, SECTIONS["sgd"], scaled=True)
    convolution(torch.ones(1, 4, 8, 8)).sum().backward()
    optimizer.step()
    gradient, momentum = convolution.weight.grad, optimizer.state[convolution.weight]["momentum_buffer"]
    assert gradient is not None
    assert momentum.stride() == gradient.stride()
