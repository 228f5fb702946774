"""CoAtNet rows: exact costs, the MBConv variants and the transformer block, against references written elsewhere."""

from functools import partial
from typing import Any

import pytest
import torch
from timm.models.vision_transformer import Attention as TimmAttention
from torch import nn
from torch.nn import functional as F
from torchvision.ops import SqueezeExcitation

from bench.zoo.attention import Attention, TokenECA, TransformerBlock, attend
from bench.zoo.coatnet import coatnet_0, coatnet_cifar_opt, large_receptive_stem
from bench.zoo.eca import ECA
from bench.zoo.mbconv import LSK_KERNELS, MBConv, SelectedDepthwise, SqueezeExcite
from tests.zoo.on_meta import macs, modules_of, on_meta, parameters

COUNTS = [
    (coatnet_0, {}, 26_312_964, 328.99),
    (coatnet_0, {"lsk": True}, 26_574_852, 341.89),
    (coatnet_cifar_opt, {}, 27_008_486, 136.24),
    (coatnet_cifar_opt, {"large_stem": True}, 27_010_534, 137.41),
]


@pytest.mark.parametrize(("builder", "options", "params", "mmacs"), COUNTS)
def test_counts_are_those_of_the_published_runs(
    builder: Any, options: dict[str, bool], params: int, mmacs: float
) -> None:
    model = on_meta(partial(builder, 100, **options))
    assert parameters(model) == params
    assert macs(model) / 1e6 == pytest.approx(mmacs, rel=5e-3)


@pytest.mark.parametrize(
    ("builder", "shapes"),
    [
        (coatnet_0, [(64, 16), (64, 16), (96, 8), (192, 8), (384, 4), (768, 2)]),
        (coatnet_cifar_opt, [(64, 16), (64, 16), (96, 8), (192, 4), (384, 2), (512, 1)]),
    ],
)
def test_stages_have_the_documented_widths_and_sizes(builder: Any, shapes: list[tuple[int, int]]) -> None:
    x = torch.empty(1, 3, 32, 32, device="meta")
    seen = []
    for stage in on_meta(partial(builder, 100)).get_submodule("stages").children():
        x = stage(x)
        seen.append((x.shape[1], x.shape[2]))
    assert seen == shapes


@pytest.mark.parametrize("attention", ["se", "eca"])
@pytest.mark.parametrize(("w_in", "w_out", "stride"), [(8, 8, 1), (8, 8, 2), (8, 16, 1), (8, 16, 2)])
def test_mbconv_adds_its_input_only_where_shapes_agree(w_in: int, w_out: int, stride: int, attention: Any) -> None:
    block = MBConv(w_in, w_out, stride, attention)
    last = list(modules_of(block, nn.BatchNorm2d))[-1]
    assert isinstance(last, nn.BatchNorm2d)
    nn.init.zeros_(last.weight)  # silences the branch: what is left is the shortcut
    x = torch.randn(2, w_in, 8, 8)
    out = block(x)
    assert out.shape == (2, w_out, 8 // stride, 8 // stride)
    assert torch.equal(out, x if stride == 1 and w_in == w_out else torch.zeros_like(out))


def test_eca_replaces_squeeze_excite() -> None:
    with_se, with_eca = MBConv(16, 16, 1), MBConv(16, 16, 1, "eca")
    assert not list(modules_of(with_eca, SqueezeExcite))
    assert parameters(with_eca.attention) == 3
    assert isinstance(with_eca.attention, ECA)
    assert not list(modules_of(with_se, ECA))
    assert not list(modules_of(coatnet_cifar_opt(10), SqueezeExcite))


def test_squeeze_excite_equals_torchvision() -> None:
    ours, reference = SqueezeExcite(16), SqueezeExcitation(16, 4, activation=nn.ReLU6, scale_activation=nn.Sigmoid)
    reference.fc1.load_state_dict(ours.gate[0].state_dict())
    reference.fc2.load_state_dict(ours.gate[2].state_dict())
    x = torch.randn(2, 16, 5, 5)
    torch.testing.assert_close(ours(x), reference(x))


def test_selection_weights_sum_to_one_over_the_kernels() -> None:
    module = SelectedDepthwise(16, stride=1)
    weights = module.selection(torch.randn(64, 16, 6, 6))
    assert weights.shape == (64, 3, 16, 1, 1)
    torch.testing.assert_close(weights.sum(1), torch.ones(64, 16, 1, 1))
    assert weights.std(0).max() > 0.001  # of many images, since the ReLU lets none of some single image through
    kernels = [branch.get_submodule("0").kernel_size for branch in module.branches]
    assert kernels == [(k, k) for k in LSK_KERNELS]


def test_equal_scores_average_the_kernels() -> None:
    module = SelectedDepthwise(16, stride=2).eval()
    nn.init.zeros_(module.score.get_submodule("2").get_parameter("weight"))
    x = torch.randn(2, 16, 8, 8)
    mean = torch.stack([branch(x) for branch in module.branches]).mean(0)
    torch.testing.assert_close(module(x), mean)


def test_attend_equals_the_fused_kernel() -> None:
    query, key, value = torch.randn(3, 2, 4, 9, 8, dtype=torch.float64)
    torch.testing.assert_close(attend(query, key, value), F.scaled_dot_product_attention(query, key, value))


def test_attention_equals_timm() -> None:
    ours, reference = Attention(32, 4), TimmAttention(32, num_heads=4, qkv_bias=False)
    reference.qkv.load_state_dict(ours.qkv.state_dict())
    reference.proj.load_state_dict(ours.out.state_dict())
    x = torch.randn(2, 7, 32)
    torch.testing.assert_close(ours(x), reference(x))


def test_transformer_block_knows_no_positions() -> None:
    block, x, order = TransformerBlock(32, 4, eca_kernel=3), torch.randn(2, 9, 32), torch.randperm(9)
    torch.testing.assert_close(block(x[:, order]), block(x)[:, order])


def test_token_eca_scales_each_channel_alike_in_all_tokens() -> None:
    module, x = TokenECA(3), torch.rand(2, 6, 16) + 0.5
    out = module(x)
    ratio = out / x
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    pooled = F.conv1d(x.mean(1).unsqueeze(1), module.eca.conv.weight, padding=1)
    torch.testing.assert_close(ratio[:, 0], pooled.sigmoid().squeeze(1))


def test_large_stem_halves_the_image_and_has_no_bias() -> None:
    stem = large_receptive_stem()
    assert stem(torch.randn(2, 3, 32, 32)).shape == (2, 64, 16, 16)
    assert [conv.bias for conv in modules_of(stem, nn.Conv2d)] == [None, None, None]
