"""The committed description of the networks is that of the networks as built."""

import pytest
from torch import nn

from bench.zoo import components


@pytest.mark.parametrize("name", components.COMPARED)
def test_the_file_says_what_the_built_network_is(name: str) -> None:
    assert components.read()[name] == components.describe(name)


def test_a_block_is_read_off_its_modules() -> None:
    facts = components.describe("improved_resnet20_convnext_std_conv")
    assert facts["kernels"] == "3×3"
    assert "3×3 conv 64→64" in facts["block"]
    assert components.describe("improved_resnet20_convnext_no_inverted")["bottleneck"] == "none"
    assert components.describe("improved_resnet20_convnext_no_droppath")["regularisation"] == "none in the network"


def test_widths_are_compared_with_the_input() -> None:
    assert components.describe_bottleneck([nn.Conv2d(64, 16, 1), nn.Conv2d(16, 64, 1)]) == "narrowing, ÷4"
    assert components.describe_bottleneck([nn.Linear(8, 32), nn.Linear(32, 8)]) == "inverted, ×4 (8→32→8)"
    assert components.describe_bottleneck([nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3)]) == "none"
