"""HorNet-T: the paper's costs, and what the order of a gnConv means."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bench.util.errors import BadInput
from bench.zoo.hornet import DEPTHS, DIMS, ORDERS, GnConv, hornet_tiny, order_dims
from bench.zoo.van import Branch
from tests.zoo.on_meta import macs, modules_of, on_meta, parameters, support


def test_imagenet_costs_are_those_of_the_paper() -> None:
    """Rao et al., HorNet, table 1: HorNet-T 7×7 has 22.4 M parameters and 4.0 G multiply-accumulates at 224 px."""
    model = on_meta(lambda: hornet_tiny(1000, stem="imagenet"))
    assert parameters(model) == pytest.approx(22.4e6, rel=0.02)
    assert macs(model, 224) == pytest.approx(4.0e9, rel=0.02)


def test_imagenet_parameters_equal_an_independent_implementation() -> None:
    """The exact figure stands in OpenMMLab's mmpretrain, configs/hornet/metafile.yml (hornet-tiny_3rdparty_in1k)."""
    assert parameters(on_meta(lambda: hornet_tiny(1000, stem="imagenet"))) == 22_409_512


def test_the_stages_are_the_paper_s() -> None:
    model = on_meta(lambda: hornet_tiny(10))
    layers = [layer for layer in modules_of(model, GnConv) if isinstance(layer, GnConv)]
    assert [len(layer.dims) for layer in layers] == [
        o for o, depth in zip(ORDERS, DEPTHS, strict=True) for _ in range(depth)
    ]
    assert [layer.dims[-1] for layer in layers] == [
        d for d, depth in zip(DIMS, DEPTHS, strict=True) for _ in range(depth)
    ]
    assert all(layer.depthwise.kernel_size == (7, 7) for layer in layers)


@pytest.mark.parametrize(("stem", "size"), [("cifar", 32), ("imagenet", 64)])
def test_both_stems_give_16_px_to_the_first_stage(stem: str, size: int) -> None:
    model = on_meta(lambda: hornet_tiny(10, stem=stem))
    assert model.get_submodule("stages.0")(torch.empty(1, 3, size, size, device="meta")).shape == (1, 64, 16, 16)


def test_order_dims_are_the_paper_s() -> None:
    assert [order_dims(dim, order) for dim, order in zip(DIMS, ORDERS, strict=True)] == [
        [32, 64],
        [32, 64, 128],
        [32, 64, 128, 256],
        [32, 64, 128, 256, 512],
    ]


@given(st.integers(1, 6), st.integers(1, 8))
def test_first_width_and_gates_fill_the_input_projection(order: int, factor: int) -> None:
    dim = factor * 2 ** (order - 1)
    dims = order_dims(dim, order)
    assert dims[0] + sum(dims) == 2 * dim  # so every order costs the same projection
    assert len(dims) == order


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_order_n_multiplies_n_plus_one_linear_maps(order: int) -> None:
    """Without biases g^n(λx) = λ^(n+1)·g^n(x): each order multiplies by one more linear map of the input."""
    torch.manual_seed(order)
    layer = GnConv(32, order).double()
    for conv in modules_of(layer, nn.Conv2d):
        nn.init.zeros_(conv.get_parameter("bias"))
    x = torch.randn(2, 32, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(layer(1.5 * x), 1.5 ** (order + 1) * layer(x))


def test_gates_see_7_by_7_pixels() -> None:
    torch.manual_seed(0)
    mask = support(GnConv(8, 3), channels=8, size=15)
    expected = torch.zeros(15, 15, dtype=torch.bool)
    expected[4:11, 4:11] = True
    assert torch.equal(mask, expected)


def test_gates_are_divided_by_three() -> None:
    layer, x = GnConv(8, 1), torch.randn(2, 8, 5, 5)
    first, gates = layer.project_in(x).chunk(2, dim=1)
    torch.testing.assert_close(layer(x), layer.project_out(first * layer.depthwise(gates) / 3))


def test_drop_path_rises_to_its_rate_and_layer_scale_starts_small() -> None:
    branches = [branch for branch in modules_of(on_meta(lambda: hornet_tiny(10)), Branch) if isinstance(branch, Branch)]
    rates = [branch.drop_path.drop_prob for branch in branches]
    assert rates == sorted(rates)
    assert (rates[0], rates[-1]) == (0.0, pytest.approx(0.2))
    real = hornet_tiny(10)
    scales = torch.cat([b.scale.flatten() for b in modules_of(real, Branch) if isinstance(b, Branch)])
    torch.testing.assert_close(scales, torch.full_like(scales, 1e-6))


def test_an_unknown_stem_or_rate_is_refused() -> None:
    with pytest.raises(BadInput, match="Did you mean 'imagenet'"):
        hornet_tiny(10, stem="imagnet")
    with pytest.raises(BadInput, match="drop_path"):
        hornet_tiny(10, drop_path=1.5)
