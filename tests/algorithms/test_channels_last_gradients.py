"""Gradients of channels-last maps stay channels-last behind a concatenation and a pooled head; no value changes."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from composer.core import Event, State
from torch import Tensor, nn

from algorithms.channels_last_gradients import ChannelsLastGradients, keep_gradients_channels_last


class Concatenated(nn.Module):
    """Two norms with activations, concatenated, and pooled in two ways."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.first = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(inplace=inplace))
        self.second = nn.Sequential(nn.BatchNorm2d(4), nn.SiLU())

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        maps = self.conv(images)
        maps = torch.cat([self.first(maps), self.second(maps)], dim=1)[:, :7]
        return torch.amax(maps, dim=(2, 3)) + maps.mean(dim=(2, 3))


def gradients_seen(network: Concatenated, memory_format: torch.memory_format) -> tuple[list[bool], list[Tensor]]:
    """Return whether each gradient of an activation's output is channels-last, and those of the parameters."""
    seen: list[bool] = []

    def note(gradient: Tensor) -> None:
        seen.append(gradient.is_contiguous(memory_format=torch.channels_last))

    def listen(module: nn.Module, arguments: Any, output: Tensor) -> None:
        output.register_hook(note)

    for activation in (network.first[1], network.second[1]):
        activation.register_forward_hook(listen)
    images = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1)).to(memory_format=memory_format)
    network(images).square().sum().backward()
    return seen, [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("inplace", [True, False])
def test_they_stay_and_no_value_changes(inplace: bool) -> None:
    plain, kept = (Concatenated(inplace).to(memory_format=torch.channels_last) for _ in range(2))  # type: ignore[call-overload]
    ChannelsLastGradients().apply(Event.INIT, cast("State", SimpleNamespace(model=kept)), cast("Any", None))
    before, expected = gradients_seen(plain, torch.channels_last)
    after, found = gradients_seen(kept, torch.channels_last)
    assert before == [False, False]
    assert after == [True, True]
    torch.testing.assert_close(found, expected)


def test_other_layouts_and_evaluation_are_left_alone() -> None:
    network, evaluated = Concatenated(inplace=True), Concatenated(inplace=True)
    keep_gradients_channels_last(network)
    assert gradients_seen(network, torch.contiguous_format)[0] == [False, False]
    keep_gradients_channels_last(evaluated)
    with torch.no_grad():
        assert evaluated(torch.zeros(2, 3, 8, 8)).shape == (2, 7)
