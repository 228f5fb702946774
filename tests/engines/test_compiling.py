"""A network is compiled where that works, trains eagerly where it does not, and is the same afterwards in both."""

import copy

import pytest
import torch
from torch import Tensor, nn

from bench.engines.compiling import compile_network, trial_batch, try_step


def small() -> nn.Module:
    """Return a network with weights, running statistics and dropout."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(4 * 36, 5))


def is_same(one: nn.Module, other: nn.Module) -> bool:
    """Tell whether two networks hold the same bits."""
    states = one.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def test_a_trial_leaves_no_trace() -> None:
    network = nn.Sequential(small(), nn.BatchNorm1d(5)).eval()
    before, generator = copy.deepcopy(network), torch.get_rng_state()
    try_step(network, trial_batch((3, 8, 8), 4, torch.device("cpu"), channels_last=True), "amp_bf16")
    assert is_same(network, before)
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), generator)


def test_a_network_that_fails_to_compile_says_so_and_trains_eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    network, said = small(), list[str]()
    before = copy.deepcopy(network)

    def refuse(self: nn.Module) -> None:
        """Compile into a call that fails, as the back end does at the first call."""

        def fail(*_: Tensor) -> Tensor:
            raise RuntimeError("\nconflicting declaration 'tmp_acc0_arr'\nmore")

        self._compiled_call_impl = fail

    monkeypatch.setattr(nn.Module, "compile", refuse)
    assert not compile_network(network, torch.zeros(2, 3, 8, 8), "fp32", said.append)
    assert said == ["torch.compile fails on this network (conflicting declaration 'tmp_acc0_arr'); training without it"]
    assert is_same(network, before)
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 5)


def test_a_compiled_network_computes_the_same() -> None:
    network, said = small().eval(), list[str]()
    before, images = copy.deepcopy(network), torch.randn(2, 3, 8, 8)
    assert compile_network(network, torch.zeros(2, 3, 8, 8), "fp32", said.append), said
    assert network._compiled_call_impl is not None
    assert is_same(network, before)
    assert torch.allclose(network(images), before(images), atol=1e-5)
