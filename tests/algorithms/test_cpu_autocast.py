"""Under the CPU's autocast, convolutions that are slow in bfloat16 are float32 ones; all else is bfloat16."""

import copy
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from composer.core import Event, State
from torch import nn

from algorithms.cpu_autocast import CPUAutocast, Float32Conv2d, is_slow_in_bfloat16, keep_float32


def depthwise(kernel: int | tuple[int, int], stride: int = 1) -> nn.Conv2d:
    """Return a depthwise convolution of eight channels."""
    return nn.Conv2d(8, 8, kernel, stride, groups=8)


@pytest.mark.parametrize(
    ("module", "slow"),
    [
        (depthwise(3), False),
        (depthwise(1), False),
        (depthwise(3, 2), True),
        (depthwise(7), True),
        (depthwise((1, 5)), True),
        (nn.Conv2d(8, 8, 7, 2), False),
        (nn.Conv2d(8, 8, 7, groups=2), False),
        (nn.Conv2d(1, 8, 7), False),
        (nn.Conv1d(8, 8, 7, groups=8), False),
    ],
    ids=str,
)
def test_which_are_slow(module: nn.Module, slow: bool) -> None:
    assert is_slow_in_bfloat16(module) == slow
    assert keep_float32(nn.Sequential(module)) == slow


def test_a_convolution_kept_in_float32_computes_as_without_autocast() -> None:
    images, network = torch.randn(2, 8, 9, 9), nn.Sequential(depthwise(7, 2), nn.Conv2d(8, 4, 1))
    before, expected = network.state_dict(), network[0](images)
    keep_float32(network)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        kept, rest = network[0](images.bfloat16().float()), network(images)
    assert kept.dtype == torch.float32
    assert rest.dtype == torch.bfloat16
    assert torch.equal(network[0](images), expected)
    assert network.state_dict().keys() == before.keys()
    assert isinstance(network[0], nn.Conv2d)


def test_a_copy_computes_with_its_own_weights() -> None:
    network = nn.Sequential(depthwise(5))
    keep_float32(network)
    copied = copy.deepcopy(network)
    nn.init.zeros_(copied[0].weight)
    nn.init.zeros_(copied[0].bias)
    assert copied(torch.ones(1, 8, 5, 5)).abs().sum() == 0
    assert network(torch.ones(1, 8, 5, 5)).abs().sum() > 0


def test_the_algorithm_keeps_them_at_the_start_and_wraps_forward() -> None:
    network = nn.Sequential(depthwise(7), nn.Conv2d(8, 4, 1))
    algorithm, logger = CPUAutocast(), cast("Any", None)
    state = cast("State", SimpleNamespace(model=network, outputs=None))
    assert algorithm.match(Event.INIT, state)
    algorithm.apply(Event.INIT, state, logger)
    assert [type(module) for module in network] == [Float32Conv2d, nn.Conv2d]
    algorithm.apply(Event.BEFORE_FORWARD, state, logger)
    state.outputs = network(torch.randn(1, 8, 9, 9))
    assert state.outputs.dtype == torch.bfloat16
    algorithm.apply(Event.AFTER_FORWARD, state, logger)
    assert state.outputs.dtype == torch.float32
    assert not torch.is_autocast_enabled("cpu")
