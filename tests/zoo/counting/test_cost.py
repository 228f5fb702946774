"""Costs against hand counts, what must raise, and that counting leaves a model alone."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.zoo.build import build_model
from bench.zoo.counting.cost import (
    FLOP_COUNTER,
    PTFLOPS,
    CountError,
    count_cost,
    count_parameters,
    macs_by_ptflops,
    observe,
)
from tests.zoo.checks import in_layout

ATTENTION_MACS = 4 * 64 * 32 * 32 + 2 * 64 * 64 * 32  # 64 tokens of dim 32: four projections, two attention products


class Functional(nn.Module):
    """One function of the image, with a weight, for operations that no module class announces."""

    def __init__(self, *weights: tuple[int, ...]) -> None:
        super().__init__()
        self.weights = nn.ParameterList(torch.randn(shape) for shape in weights)


class FunctionalLinear(Functional):
    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.flatten(2), self.weights[0])


class Baddbmm(Functional):
    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.weights[0], x[0], x[0])


class Fourier(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.rfft2(x).abs()


class Tokens(nn.Module):
    """A layer on the image's 64 patches as tokens of dim 32 (the first 32 of 48 values)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        tokens = F.pixel_unshuffle(x, 4).flatten(2).transpose(1, 2)[..., :32]
        if isinstance(self.layer, nn.MultiheadAttention):
            return self.layer(tokens, tokens, tokens, need_weights=False)[0]
        return self.layer(tokens)[0] if isinstance(self.layer, nn.LSTM) else self.layer(tokens)


class FusedAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(32, 96), nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (part.unsqueeze(1) for part in self.qkv(x).chunk(3, dim=-1))
        return self.out(F.scaled_dot_product_attention(query, key, value).squeeze(1))


def small_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(8, 10),
    )


def test_counts_by_hand() -> None:
    cost = count_cost(small_net())
    assert cost.params == (27 * 8 + 8) + 16 + 72 + 90
    assert cost.macs == cost.ptflops_macs == 27 * 8 * 256 + 72 * 256 + 80
    assert cost.flops == 2 * cost.macs
    assert cost.activations == 8 * 256 + 8 * 256 + 10
    assert cost.bias_additions == 8 * 256 + 10
    assert cost.disagreement == 0.0


def test_uncounted_operations_are_listed() -> None:
    missed = {item.operation: item for item in count_cost(small_net()).uncounted}
    assert {"aten.native_batch_norm", "aten.relu", "aten.mean"} <= set(missed)
    assert missed["aten.relu"].calls == 1
    assert missed["aten.relu"].missed_by == (FLOP_COUNTER, PTFLOPS)
    assert "aten.convolution" not in missed


@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 64, 64), (3, 32, 16)])
def test_input_shape(shape: tuple[int, int, int]) -> None:
    cost = count_cost(nn.Conv2d(3, 4, 1), shape)
    assert cost.macs == 12 * shape[1] * shape[2]


def test_functional_linear_is_counted() -> None:
    """What a counter of module classes would miss."""
    assert count_cost(FunctionalLinear((7, 1024))).macs == 3 * 1024 * 7


@pytest.mark.parametrize(
    "layer", [nn.MultiheadAttention(32, 4, batch_first=True), FusedAttention()], ids=["module", "functional"]
)
def test_fused_attention_is_counted(layer: nn.Module) -> None:
    assert count_cost(Tokens(layer)).macs == ATTENTION_MACS


def test_transformer_layer_is_counted() -> None:
    layer = nn.TransformerEncoderLayer(32, 4, dim_feedforward=64, batch_first=True)
    assert count_cost(Tokens(layer)).macs == ATTENTION_MACS + 2 * 64 * 32 * 64


def test_disagreement_raises() -> None:
    """FlopCounterMode knows baddbmm, ptflops does not."""
    model = Baddbmm((3, 32, 32))
    assert observe(model).macs == 3 * 32**3
    assert macs_by_ptflops(model) == 0
    with pytest.raises(CountError, match=r"100\.0% apart.*aten\.baddbmm"):
        count_cost(model)


@pytest.mark.parametrize(
    ("model", "operation"), [(Fourier(), "_fft_r2c"), (Tokens(nn.LSTM(32, 16, batch_first=True)), "mkldnn_rnn_layer")]
)
def test_product_unknown_to_both_raises(model: nn.Module, operation: str) -> None:
    with pytest.raises(CountError, match=rf"neither counter knows aten\.{operation}"):
        count_cost(model)


def test_failing_model_raises() -> None:
    with pytest.raises(CountError, match="ptflops could not count Linear"):
        macs_by_ptflops(nn.Linear(5, 5))


def test_shared_and_frozen_parameters() -> None:
    layer = nn.Linear(4, 4)
    assert count_parameters(nn.Sequential(layer, layer)) == 20
    layer.bias.requires_grad_(False)
    assert count_parameters(layer) == 16


def test_counting_leaves_everything_alone() -> None:
    """Weights, buffers, gradients, modes, hooks, the random state and the fast path are what they were."""
    model = build_model("improved_resnet20_convnext", 10).train()
    model.get_submodule("blocks.0").eval()
    model(torch.randn(2, 3, 32, 32)).sum().backward()
    modes = [module.training for module in model.modules()]
    state, gradients = copy.deepcopy(model.state_dict()), [copy.deepcopy(p.grad) for p in model.parameters()]
    random = torch.get_rng_state()
    count_cost(model)
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.backends.mha.get_fastpath_enabled()
    assert torch.is_grad_enabled()
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert parameter.grad is not None
        assert gradient is not None
        assert torch.equal(parameter.grad, gradient)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_cost_does_not_depend_on_mode_layout_or_type() -> None:
    model = build_model("eca_resnet_20", 10)
    wanted = count_cost(model)
    assert count_cost(model.eval()) == wanted
    assert count_cost(in_layout(model, torch.channels_last)) == wanted
    assert count_cost(model.to(torch.bfloat16)) == wanted


def test_autocast_does_not_change_the_cost() -> None:
    model = small_net()
    wanted = count_cost(model)
    with torch.autocast("cpu", torch.bfloat16):
        assert count_cost(model) == wanted


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cost_of_a_model_on_the_gpu() -> None:
    model = build_model("resnet_20", 100)
    wanted = count_cost(model)
    assert count_cost(model.cuda()) == wanted
    assert next(model.parameters()).is_cuda
