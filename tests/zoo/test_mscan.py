"""MSCAN: the deck's exact counts, the paper's count, rank-one strips, the gates, the shared norm."""

import pytest
import torch
from timm.layers import DropPath
from torch import nn
from torch.nn import functional as F

from bench.util.errors import BadInput
from bench.zoo.mscan import DeckBlock, DeckGate, MultiScaleGate, deck_mscan, mscan_tiny, strip_pair
from bench.zoo.van import DEPTHS, Branch
from tests.zoo.on_meta import macs, modules_of, on_meta, parameters, support


def test_deck_counts_are_those_of_the_published_runs() -> None:
    model = on_meta(lambda: deck_mscan(100))
    assert parameters(model) == 3_359_556
    assert macs(model) / 1e6 == pytest.approx(49.80, rel=5e-3)


def test_imagenet_parameters_are_those_of_the_paper() -> None:
    """Guo et al., SegNeXt, table 3: MSCAN-T has 4.2 M parameters."""
    assert parameters(on_meta(lambda: mscan_tiny(1000, stem="imagenet"))) == pytest.approx(4.2e6, rel=0.02)


def test_the_32_px_stem_changes_sizes_only() -> None:
    native, imagenet = on_meta(lambda: mscan_tiny(100)), on_meta(lambda: mscan_tiny(100, stem="imagenet"))
    assert parameters(native) == parameters(imagenet)
    assert macs(native, 32) == macs(imagenet, 64)  # half the image, half the stem's stride: the same maps
    assert native.get_submodule("stages.0")(torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 32, 16, 16)


@pytest.mark.parametrize("kernel", [3, 7, 11, 21])
def test_strip_pair_is_a_dense_kernel_of_rank_one(kernel: int) -> None:
    dim = 4
    pair = strip_pair(dim, kernel).double()
    row, column = pair.get_submodule("0"), pair.get_submodule("1")
    assert isinstance(row, nn.Conv2d)
    assert isinstance(column, nn.Conv2d)
    assert row.bias is not None
    nn.init.zeros_(row.bias)  # a bias between the two would not pass through the padding
    dense = column.weight * row.weight  # (k×1)·(1×k): the outer product
    assert dense.shape == (dim, 1, kernel, kernel)
    x = torch.randn(2, dim, 9, 9, dtype=torch.float64)
    expected = F.conv2d(x, dense, column.bias, padding=kernel // 2, groups=dim)
    torch.testing.assert_close(pair(x), expected)


def test_gate_sums_its_scales_and_multiplies_the_input() -> None:
    gate, x = MultiScaleGate(8), torch.randn(2, 8, 6, 6)
    local = gate.local(x)
    scales = torch.stack([local, *(strip(local) for strip in gate.strips)]).sum(0)
    torch.testing.assert_close(gate(x), x * gate.mix(scales))
    sizes = [conv.kernel_size for conv in modules_of(gate.strips, nn.Conv2d)]
    assert sizes == [(1, 7), (7, 1), (1, 11), (11, 1), (1, 21), (21, 1)]


def test_gate_sees_the_paper_s_neighbourhood() -> None:
    gate = MultiScaleGate(2)
    mask = support(lambda x: gate.mix(gate.local(x) + gate.strips[-1](gate.local(x))), channels=2, size=33)
    assert int(mask.any(0).sum()) == int(mask.any(1).sum()) == 21 + 5 - 1


def test_deck_gate_only_attenuates() -> None:
    gate, x = DeckGate(8), torch.randn(2, 8, 6, 6)
    ratio = gate(x) / x
    assert ((ratio > 0) & (ratio < 1)).all()


def test_deck_block_uses_one_norm_before_both_branches() -> None:
    block = DeckBlock(8)
    assert len(list(modules_of(block, nn.BatchNorm2d))) == 2  # the shared one, and the MLP's inner one
    block(torch.randn(2, 8, 4, 4))
    assert block.norm.num_batches_tracked == 2


def test_drop_path_rises_and_layer_scale_starts_small() -> None:
    model = mscan_tiny(10, drop_path=0.12)
    branches = [branch for branch in modules_of(model, Branch) if isinstance(branch, Branch)]
    rates = [branch.drop_path.drop_prob for branch in branches[::2]]
    assert rates == pytest.approx([0.01 * index for index in range(sum(DEPTHS))])
    assert all(bool((branch.scale == 0.01).all()) for branch in branches)
    assert len(list(modules_of(model, DropPath))) == len(branches) == 2 * sum(DEPTHS)


def test_depthwise_weights_are_drawn_for_their_fan_out_per_group() -> None:
    torch.manual_seed(0)
    model = mscan_tiny(10)
    wide = [c for c in modules_of(model, nn.Conv2d) if isinstance(c, nn.Conv2d) and c.groups == c.in_channels == 1024]
    weights = torch.cat([conv.weight.flatten() for conv in wide])
    assert weights.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.03)


def test_an_unknown_stem_is_refused() -> None:
    with pytest.raises(BadInput, match="Did you mean 'imagenet'"):
        mscan_tiny(10, stem="image_net")
