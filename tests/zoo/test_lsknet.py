"""LSKNet-T: the paper's count, the large kernel's reach, and the spatial selection."""

import pytest
import torch
from torch import nn

from bench.util.errors import BadInput
from bench.zoo.lsknet import LargeSelectiveKernel, lsknet_tiny, pooled_maps
from tests.zoo.on_meta import on_meta, parameters, support


@pytest.fixture
def gate() -> LargeSelectiveKernel:
    torch.manual_seed(0)
    return LargeSelectiveKernel(8)


def test_imagenet_parameters_are_those_of_the_paper() -> None:
    """Li et al., LSKNet, table 1: the LSKNet-T backbone has 4.3 M parameters."""
    assert parameters(on_meta(lambda: lsknet_tiny(1000, stem="imagenet"))) == pytest.approx(4.3e6, rel=0.02)


@pytest.mark.parametrize(("stem", "size"), [("cifar", 32), ("imagenet", 64)])
def test_both_stems_give_16_px_to_the_first_stage(stem: str, size: int) -> None:
    model = on_meta(lambda: lsknet_tiny(10, stem=stem))
    assert model.get_submodule("stages.0")(torch.empty(1, 3, size, size, device="meta")).shape == (1, 32, 16, 16)


def test_branches_reach_5_and_23_pixels(gate: LargeSelectiveKernel) -> None:
    for branch, reach in ((0, 5), (1, 5 + 3 * (7 - 1))):
        mask = support(lambda x, branch=branch: gate.branches(x)[branch], channels=8, size=31)  # type: ignore[misc]
        low = 15 - reach // 2
        expected = torch.zeros(31, 31, dtype=torch.bool)
        expected[low : low + reach, low : low + reach] = True
        assert torch.equal(mask, expected)


def test_pooled_maps_are_mean_and_maximum_over_channels() -> None:
    x = torch.randn(2, 5, 3, 3)
    maps = pooled_maps(x)
    torch.testing.assert_close(maps[:, 0], torch.from_numpy(x.numpy().mean(1)))
    torch.testing.assert_close(maps[:, 1], torch.from_numpy(x.numpy().max(1)))


def test_selection_is_one_weight_per_branch_and_position(gate: LargeSelectiveKernel) -> None:
    weights = gate.selection(*gate.branches(torch.randn(2, 8, 12, 12)))
    assert weights.shape == (2, 2, 12, 12)
    assert ((weights > 0) & (weights < 1)).all()
    assert weights[0, 0].std() > 0  # it differs between positions
    assert not torch.allclose(weights[:, 0], weights[:, 1])


@pytest.mark.parametrize("chosen", [0, 1])
def test_a_saturated_selection_passes_one_branch_alone(gate: LargeSelectiveKernel, chosen: int) -> None:
    nn.init.zeros_(gate.select.weight)
    assert gate.select.bias is not None
    with torch.no_grad():
        gate.select.bias.fill_(-200.0)
        gate.select.bias[chosen] = 200.0
    x = torch.randn(2, 8, 12, 12)
    torch.testing.assert_close(gate(x), x * gate.expand(gate.branches(x)[chosen]))


def test_an_unknown_stem_is_refused() -> None:
    with pytest.raises(BadInput, match="Did you mean 'cifar'"):
        lsknet_tiny(10, stem="cifar10")
