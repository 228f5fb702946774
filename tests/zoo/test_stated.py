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
from bench.zoo.models import MODELS, UNSTATED

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


@pytest.mark.parametrize("name", MODELS)
def test_stated_costs(name: str) -> None:
    """The golden figures, which the suite over MODELS counts again, are those that the rows state."""
    stated, golden = MODELS[name].stated, read_golden()[name]
    if stated.params is not None:
        assert golden.params == stated.params
    if stated.mmacs is not None:
        assert golden.macs == pytest.approx(stated.mmacs * 1e6, rel=0.005)


def test_the_deck_and_the_public_runs_state_their_figures() -> None:
    unstated = {name for name, row in MODELS.items() if row.stated == UNSTATED}
    assert unstated == {"hornet_tiny", "lsknet_tiny", "mscan_tiny", "resnet_18"}


@pytest.mark.parametrize("name", [name for name, row in MODELS.items() if row.variant_of])
def test_a_variant_says_what_it_changes_and_is_another_network(name: str) -> None:
    row, golden = MODELS[name], read_golden()
    assert row.note
    if row.variant_of in MODELS:
        assert golden[name].fingerprint != golden[row.variant_of].fingerprint


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
