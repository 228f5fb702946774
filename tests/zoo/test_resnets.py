"""The parts of the ResNet, ECA, Ghost and improved families."""

import math

import pytest
import torch
from timm.layers import DropPath, EcaModule
from timm.models.ghostnet import GhostModule as TimmGhostModule
from torch import nn

from bench.zoo.blocks import he_initialise, shortcut, stage_plan
from bench.zoo.build import build_model
from bench.zoo.eca import ECA, EcaBlock, adaptive_kernel
from bench.zoo.ghost import GhostModule
from bench.zoo.improved import drop_path_rates


def test_stage_plan() -> None:
    assert stage_plan((16, 32), 2) == [(16, 16, 1), (16, 16, 1), (16, 32, 2), (32, 32, 1)]


def test_shortcut_projects_only_where_the_shape_changes() -> None:
    assert isinstance(shortcut(16, 16, 1), nn.Identity)
    for w_out, stride in ((32, 1), (16, 2)):
        assert shortcut(16, w_out, stride)(torch.randn(2, 16, 8, 8)).shape == (2, w_out, 8 // stride, 8 // stride)


@pytest.mark.parametrize(("groups", "fan_in"), [(1, 64 * 9), (64, 9)])
def test_he_initialisation(groups: int, fan_in: int) -> None:
    """The variance is 2 / fan_in, also for depthwise convolutions."""
    torch.manual_seed(0)
    layer = nn.Conv2d(64, 512, 3, groups=groups)
    he_initialise(layer)
    assert float(layer.weight.std()) == pytest.approx(math.sqrt(2 / fan_in), rel=0.05)


@pytest.mark.parametrize("channels", [8, 16, 32, 64, 128, 256, 512, 2048])
def test_adaptive_kernel_is_timms(channels: int) -> None:
    assert adaptive_kernel(channels) == EcaModule(channels).conv.kernel_size[0]


@pytest.mark.parametrize("kernel", [1, 3, 5, 9])
def test_eca_is_timms(kernel: int) -> None:
    ours, theirs = ECA(kernel), EcaModule(kernel_size=kernel)
    theirs.conv.weight = ours.conv.weight
    x = torch.randn(2, 16, 5, 7)
    assert torch.allclose(ours(x), theirs(x), atol=1e-6)


def test_eca_positions() -> None:
    for position in (1, 2, 3):
        block = EcaBlock(16, 16, 1, 3, position)
        places = [type(getattr(block, f"attend{place}")) for place in (1, 2, 3)]
        assert [place is ECA for place in places] == [place == position for place in (1, 2, 3)]


def test_eca_scales_what_its_position_says() -> None:
    """With ECA weights that give sigmoid(0) = 1/2 everywhere: position 3 halves the sum, 2 the branch alone."""
    x = torch.randn(2, 16, 8, 8)
    for position in (2, 3):
        block = EcaBlock(16, 16, 1, 3, position).eval()
        nn.init.zeros_(getattr(block, f"attend{position}").conv.weight)
        branch = block.norm2(block.conv2(block.norm1(block.conv1(x)).relu()))
        wanted = (0.5 * branch + x).relu() if position == 2 else (0.5 * (branch + x)).relu()
        assert torch.allclose(block(x), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("w_in", "w_out", "stride", "ratio"), [(16, 16, 1, 2), (16, 32, 2, 2), (8, 20, 1, 3), (8, 16, 1, 4)]
)
def test_ghost_module_is_timms(w_in: int, w_out: int, stride: int, ratio: int) -> None:
    ours = GhostModule(w_in, w_out, stride, ratio).eval()
    theirs = TimmGhostModule(w_in, w_out, 3, ratio, 3, stride).eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    x = torch.randn(2, w_in, 8, 8)
    assert torch.allclose(ours(x), theirs(x), atol=1e-6)
    assert ours(x).shape == (2, w_out, 8 // stride, 8 // stride)


def test_drop_path_rates() -> None:
    assert drop_path_rates(0.05, 9) == pytest.approx([0.05 * index / 8 for index in range(9)])
    model = build_model("improved_resnet20_convnext", 10)
    rates = [module.drop_prob for module in model.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx(drop_path_rates(0.05, 9))


def test_drop_path_acts_in_train_mode_alone() -> None:
    model = build_model("improved_resnet20_convnext", 10, options={"drop_path": 0.5})
    images = torch.randn(2, 3, 32, 32)
    assert not torch.equal(model(images), model(images))
    assert torch.equal(model.eval()(images), model(images))
