"""MLP-Mixer: exact costs, what each MLP mixes, and equality with timm's layer."""

import pytest
import torch
from timm.models.mlp_mixer import MixerBlock
from torch import nn

from bench.util.errors import BadInput
from bench.zoo.mixer import MixerLayer, mlp_mixer
from tests.zoo.on_meta import macs, on_meta, parameters

DIM, TOKENS = 24, 64
IMAGE = (3, 32, 32)


@pytest.fixture
def layer() -> MixerLayer:
    torch.manual_seed(0)
    return MixerLayer(TOKENS, DIM)


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randn(2, TOKENS, DIM, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("dim", "params", "mmacs"), [(128, 1_341_924, 101.07), (512, 17_948_772, 1612.24)])
def test_counts_are_those_of_the_published_runs(dim: int, params: int, mmacs: float) -> None:
    model = on_meta(lambda: mlp_mixer(100, IMAGE, dim))
    assert parameters(model) == params
    assert macs(model) / 1e6 == pytest.approx(mmacs, rel=5e-3)


def test_channel_mixing_treats_every_token_alike(layer: MixerLayer, tokens: torch.Tensor) -> None:
    order = torch.randperm(TOKENS)
    torch.testing.assert_close(layer.mix_channels(tokens[:, order]), layer.mix_channels(tokens)[:, order])
    assert not torch.allclose(layer.mix_tokens(tokens[:, order]), layer.mix_tokens(tokens)[:, order], atol=1e-3)


def test_token_mixing_treats_every_channel_alike(layer: MixerLayer, tokens: torch.Tensor) -> None:
    order = torch.randperm(DIM)
    torch.testing.assert_close(layer.mix_tokens(tokens[..., order]), layer.mix_tokens(tokens)[..., order])
    assert not torch.allclose(layer.mix_channels(tokens[..., order]), layer.mix_channels(tokens)[..., order], atol=1e-3)


def test_one_token_reaches_all_tokens_only_through_token_mixing(layer: MixerLayer, tokens: torch.Tensor) -> None:
    changed = tokens.clone()
    changed[:, 5, 0] += 1.0
    by_tokens = (layer.mix_tokens(changed) - layer.mix_tokens(tokens)).abs().amax((0, 2))
    by_channels = (layer.mix_channels(changed) - layer.mix_channels(tokens)).abs().amax((0, 2))
    assert (by_tokens > 0).all()
    assert by_channels.nonzero().flatten().tolist() == [5]


def test_layer_equals_timm(layer: MixerLayer, tokens: torch.Tensor) -> None:
    reference = MixerBlock(DIM, TOKENS, mlp_ratio=(2.0, 4.0), norm_layer=nn.LayerNorm)
    ours = [layer.token_norm, *layer.token_mlp, layer.channel_norm, *layer.channel_mlp]
    theirs = [
        reference.norm1, reference.mlp_tokens.fc1, nn.GELU(), reference.mlp_tokens.fc2,
        reference.norm2, reference.mlp_channels.fc1, nn.GELU(), reference.mlp_channels.fc2,
    ]  # fmt: skip
    for source, target in zip(ours, theirs, strict=True):
        target.load_state_dict(source.state_dict())
    torch.testing.assert_close(layer(tokens), reference.eval()(tokens))


def test_initialisation_is_lecun_normal_with_a_small_head() -> None:
    torch.manual_seed(0)
    model = mlp_mixer(100, IMAGE, 128)
    weight = model.get_submodule("layers.0.channel_mlp.2").weight
    assert isinstance(weight, torch.Tensor)
    assert weight.std().item() == pytest.approx((1 / 512) ** 0.5, rel=0.02)
    head = model.get_submodule("head")
    assert isinstance(head, nn.Linear)
    assert head.weight.std().item() == pytest.approx(0.02, rel=0.03)
    assert not head.bias.any()


@pytest.mark.parametrize("dim", [0, 128.5, "wide"])
def test_a_width_that_cannot_be_is_refused(dim: int) -> None:
    with pytest.raises(BadInput, match="dim"):
        mlp_mixer(100, IMAGE, dim)
