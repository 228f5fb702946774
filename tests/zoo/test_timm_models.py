"""timm models and their two stems."""

import pytest
import timm
import torch
from torch import nn

from bench.zoo.build import build_model
from bench.zoo.counting.cost import count_cost
from bench.zoo.counting.reference import IMAGE
from bench.zoo.models import MODELS
from bench.zoo.stem import patch_size, smaller_patch, stem_modules, stem_reduction

TIMM_ROWS = sorted(name for name, row in MODELS.items() if "timm_name" in row.options)


def train_a_step(model: nn.Module, classes: int) -> None:
    """Assert the logits' shape, and that every parameter gets a finite gradient."""
    logits = model.train()(torch.randn(3, 3, 32, 32))
    assert logits.shape == (3, classes)
    logits.square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("name", TIMM_ROWS)
def test_cifar_stem_of_every_row(name: str) -> None:
    """The stem works at 32×32 (ConvNeXt: patch 2), the network costs more, all other weights keep their shapes."""
    small, large = build_model(name, 10), build_model(name, 10, stem="cifar")
    assert stem_reduction(large, IMAGE) == (2 if name == "convnext_tiny" else 1)
    assert stem_reduction(small, IMAGE) in (2, 4)
    train_a_step(large, 10)
    shapes = {key: value.shape for key, value in small.state_dict().items()}
    changed = {key for key, value in large.state_dict().items() if value.shape != shapes.get(key)}
    allowed = {"convnext_tiny": {"stem.0.weight"}}.get(name, set())
    assert {key for key in changed if "relative_position" not in key} == allowed
    assert count_cost(large).macs > 2 * count_cost(small).macs


@pytest.mark.parametrize(
    ("name", "reduction", "macs"),
    [
        ("resnet18", 1, 563e6),  # the cost of the 3×3-stem ResNet-18 plus that of a 7×7 instead of a 3×3 stem
        ("densenet121", 1, 896e6),
        ("mobilenetv3_small_100", 1, None),
        ("vit_tiny_patch16_224", 4, 365e6),
        ("swin_tiny_patch4_window7_224", 2, None),
        ("resmlp_12_224", 4, None),
        ("pvt_v2_b0", 1, None),
        ("repvgg_a0", 1, None),
    ],
)
def test_cifar_stem_of_other_families(name: str, reduction: int, macs: float | None) -> None:
    model = build_model(f"timm/{name}", 10, stem="cifar")
    train_a_step(model, 10)
    patch = patch_size(model)
    assert (patch or stem_reduction(model, IMAGE)) == reduction
    if macs is not None:
        assert count_cost(model).macs == pytest.approx(macs, rel=0.005)


def test_resnet_loses_stride_and_pool_and_nothing_else() -> None:
    model = build_model("timm/resnet18", 10, stem="cifar")
    other = timm.create_model("resnet18", num_classes=10)
    assert model.conv1.stride == (1, 1)
    assert isinstance(model.maxpool, nn.Identity)
    other.conv1.stride, other.maxpool = (1, 1), nn.Identity()
    other.load_state_dict(model.state_dict())
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(model.eval()(images), other.eval()(images))


def test_smaller_patch_keeps_the_scale() -> None:
    """The cut kernel is the old one's corner, scaled so that the output keeps its variance."""
    torch.manual_seed(0)
    large = timm.create_model("convnext_tiny", num_classes=10).get_parameter("stem.0.weight")
    torch.manual_seed(0)
    small = build_model("convnext_tiny", 10, stem="cifar").get_parameter("stem.0.weight")
    assert small.shape == (96, 3, 2, 2)
    assert torch.equal(small, 2 * large[..., :2, :2])


@pytest.mark.parametrize(("patch", "smaller"), [(32, 4), (16, 4), (14, 4), (8, 4), (7, 2), (4, 2), (3, 1), (2, 1)])
def test_smaller_patch(patch: int, smaller: int) -> None:
    assert smaller_patch(patch) == smaller


def test_stem_without_convolutions() -> None:
    assert stem_modules(nn.Sequential(nn.Linear(2, 2))) == []
    assert patch_size(nn.Sequential(nn.Linear(2, 2))) is None


def test_drop_rates_reach_timm() -> None:
    model = build_model("convnext_tiny", 10, options={"drop_path_rate": 0.2, "drop_rate": 0.3})
    assert max(getattr(module, "drop_prob", 0.0) or 0.0 for module in model.modules()) == pytest.approx(0.2)
    dropout = model.get_submodule("head.drop")
    assert isinstance(dropout, nn.Dropout)
    assert dropout.p == 0.3


def test_building_leaves_no_trace() -> None:
    """Looking for the stem leaves no hook, and the model in train mode with fresh statistics."""
    model = build_model("ghostnet_100", 10, stem="cifar")
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())
    assert not any(buffer.any() for name, buffer in model.named_buffers() if name.endswith("running_mean"))
