"""The figures stated for the zoo, and implementations that we did not write, against what is counted."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from bench.zoo.build import build_model
from bench.zoo.counting.cost import count_cost, count_parameters
from bench.zoo.counting.fingerprint import fingerprint
from bench.zoo.counting.golden import read_golden, same_networks
from bench.zoo.models import MODELS

# name → (trainable parameters, MACs in millions) for 3×32×32 and 100 classes; None where no figure is stated.
STATED: dict[str, tuple[int | None, float | None]] = {
    "speed_75": (8_608_288, 174.98),
    "resnet_20": (278_324, 40.82),
    "resnet20_no_eca": (278_324, 40.82),
    "resnet_32": (472_756, 69.13),
    "resnet_56": (861_620, 125.75),
    "eca_resnet_20": (278_351, 40.82),
    "eca_resnet_32": (472_831, 69.13),
    "ecanet20_adaptive": (278_351, 40.82),
    "ecanet20_fixed_k3": (278_351, 40.82),
    "ecanet20_fixed_k5": (278_369, 40.82),
    "ecanet20_fixed_k7": (278_387, 40.82),
    "ecanet20_fixed_k9": (278_405, 40.82),
    "eca_resnet20_pos1": (278_351, 40.82),
    "eca_resnet20_pos3": (278_351, 40.82),
    "ghost_resnet_20": (149_060, 21.54),
    "ghost_resnet_32": (249_636, 36.21),
    "improved_resnet20_convnext": (174_868, 34.19),
    "improved_resnet20_convnext_no_droppath": (174_868, 34.19),
    "improved_resnet20_convnext_std_conv": (1_887_892, 301.65),
    "improved_resnet20_convnext_no_inverted": (38_644, 6.72),
    "convnext_tiny": (27_897_028, 90.99),
    "resnest50d": (25_639_140, 111.63),
    "ghostnet_100": (4_029_608, 5.65),
    "cspresnet50": (20_693_668, 70.67),
    "mlp_mixer_tiny": (1_341_924, 101.07),
    "mlp_mixer_b16": (17_948_772, 1612.24),
    "coatnet_0": (26_312_964, 328.99),
    "coatnet_0_custom_enhanced": (26_574_852, 341.89),
    "coatnet_cifar_opt": (27_008_486, 136.24),
    "coatnet_cifar_opt_large_stem": (27_010_534, 137.41),
    "segnext_mscan_tiny": (3_359_556, 49.80),
    "coatnet_0_rw": (26_681_254, 86.72),
    "speed_resnet": (None, 421.0),  # its parameters are stated as 2.80 M: see below
    "hornet_tiny": (None, None),
    "lsknet_tiny": (None, None),
    "mscan_tiny": (None, None),
    "resnet_18": (None, None),
}
TIMM_ROWS = sorted(name for name, row in MODELS.items() if "timm_name" in row.options)


def resnet_params(widths: tuple[int, ...], blocks: int, classes: int = 100) -> int:
    """Return the parameters of a basic-block ResNet from its widths alone (weights 9·in·out, two per norm channel)."""
    total, w_in = 27 * widths[0] + 2 * widths[0], widths[0]
    for w in widths:
        total += 9 * w_in * w + 9 * w * w * (2 * blocks - 1) + 4 * w * blocks
        total += w_in * w + 2 * w if w_in != w else 0
        w_in = w
    return total + (widths[-1] + 1) * classes


def resnet_macs(widths: tuple[int, ...], blocks: int, classes: int = 100) -> int:
    """Return its multiply-accumulates for a 32×32 image: every weight of a stage is used at every place of its map."""
    total, w_in = 27 * widths[0] * 32 * 32, widths[0]
    for stage, w in enumerate(widths):
        area = (32 // 2**stage) ** 2
        total += (9 * w_in * w + 9 * w * w * (2 * blocks - 1) + (w_in * w if w_in != w else 0)) * area
        w_in = w
    return total + widths[-1] * classes


def test_every_stated_name_is_in_the_zoo() -> None:
    assert set(STATED) == set(MODELS)


@pytest.mark.parametrize("name", STATED)
def test_stated_costs(name: str) -> None:
    """The golden figures, which the suite over MODELS counts again, are the stated ones."""
    params, mmacs = STATED[name]
    golden = read_golden()[name]
    if params is not None:
        assert golden.params == params
    if mmacs is not None:
        assert golden.macs == pytest.approx(mmacs * 1e6, rel=0.005)


@pytest.mark.parametrize(("ratio", "params"), [(2, 149_060), (3, 108_980), (4, 83_756)])
def test_ghost_ratios(ratio: int, params: int) -> None:
    model = build_model("ghost_resnet_20", 100, options={"ratio": ratio})
    assert count_parameters(model) == params
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 100)


@pytest.mark.parametrize(
    ("name", "widths", "blocks"),
    [
        ("resnet_20", (16, 32, 64), 3),
        ("resnet_32", (16, 32, 64), 5),
        ("resnet_56", (16, 32, 64), 9),
        ("resnet_18", (64, 128, 256, 512), 2),
        ("speed_resnet", (64, 128, 256), 2),
    ],
)
def test_resnets_against_the_closed_form(name: str, widths: tuple[int, ...], blocks: int) -> None:
    golden = read_golden()[name]
    assert golden.params == resnet_params(widths, blocks)
    assert golden.macs == resnet_macs(widths, blocks)


def test_speed_resnet_has_the_stated_size() -> None:
    assert round(read_golden()["speed_resnet"].params / 1e6, 2) == 2.80


def torchvision_resnet(num_classes: int = 100) -> nn.Module:
    """Return torchvision's ResNet-18 with the 3×3 stem."""
    model = torchvision.models.resnet18(num_classes=num_classes)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def test_resnet_18_is_torchvisions() -> None:
    """With the same weights it gives torchvision's logits in both modes; costs and graphs are the same."""
    ours, theirs = build_model("resnet_18", 100), torchvision_resnet()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    images = torch.randn(3, 3, 32, 32)
    assert torch.allclose(ours(images), theirs(images), atol=1e-5)
    assert torch.allclose(ours.eval()(images), theirs.eval()(images), atol=1e-5)
    assert count_cost(ours) == count_cost(theirs)
    assert fingerprint(ours) == fingerprint(theirs)


@pytest.mark.parametrize("name", TIMM_ROWS)
def test_timm_rows_are_timms_own(name: str) -> None:
    """A timm row with its own stem builds exactly what timm.create_model builds."""
    options = dict(MODELS[name].options)
    size = {"img_size": 32} if name == "coatnet_0_rw" else {}
    theirs = timm.create_model(options.pop("timm_name"), num_classes=100, **options, **size)
    golden = read_golden()[name]
    assert sum(parameter.numel() for parameter in theirs.parameters()) == golden.params
    assert fingerprint(theirs) == golden.fingerprint


def test_same_networks_are_discovered() -> None:
    """Two groups of names build one network each, found by fingerprint alone; every other pair differs."""
    groups = sorted(sorted(group) for group in same_networks(read_golden()))
    assert groups == [["eca_resnet_20", "ecanet20_adaptive", "ecanet20_fixed_k3"], ["resnet20_no_eca", "resnet_20"]]
