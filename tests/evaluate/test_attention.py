"""Grad-CAM: the maps are those of its definition, the sheet shows what it says, any kind of network has one."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bench.evaluate import __main__ as command
from bench.evaluate.attention import SHOWN, last_layer, maps_of, measure, plain, to_maps
from bench.evaluate.trained import load_trained, predict
from bench.util import extras
from bench.util.cli import BAD_INPUT, OK, run_command
from bench.zoo.build import build_model


def test_a_map_is_that_of_the_definition() -> None:
    """Channels weighted by the mean of their gradients, what speaks against the class left out, scaled to 1."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.Tanh())
    network = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)).eval()
    images = torch.randn(3, 3, 8, 8)
    assert last_layer(network, images) == "0"
    found = maps_of(network, "0", images, [2, 0, 3])
    maps = body(images).detach().requires_grad_()
    logits = network[1:](maps)
    (gradients,) = torch.autograd.grad(logits[0, 2] + logits[1, 0] + logits[2, 3], maps)
    expected = F.relu((gradients.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1)).detach()
    expected -= expected.amin(dim=(1, 2), keepdim=True)
    expected /= expected.amax(dim=(1, 2), keepdim=True)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_tokens_become_maps_without_the_one_of_the_class() -> None:
    tokens = torch.arange(10.0).view(1, 10, 1)
    assert to_maps(tokens)[0, 0].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


@pytest.mark.parametrize(
    ("name", "layer", "places"),
    [
        ("resnet_20", "blocks", (8, 8)),
        ("speed_75", "groups", (3, 3)),
        ("mlp_mixer_tiny", "norm", (8, 8)),
        ("timm/vit_tiny_patch16_224", "blocks.11.norm1", (2, 2)),
        ("convnext_tiny", "stages.3.downsample.0", (2, 2)),
    ],
)
def test_of_any_kind_of_network_the_last_layer_that_tells_places_apart_is_shown(
    name: str, layer: str, places: tuple[int, int]
) -> None:
    """Maps, tokens of which all count, tokens of which the class's own counts, maps that end as a single place."""
    torch.manual_seed(0)
    network, images = build_model(name, 10).eval(), torch.randn(2, 3, 32, 32)
    assert last_layer(network, images) == layer
    outputs: list[torch.Tensor] = []
    network.get_submodule(layer).register_forward_hook(lambda _, __, output: outputs.append(to_maps(output)))
    assert maps_of(network, layer, images, [1, 2]).shape == (2, 32, 32)
    assert outputs[-1].shape[2:] == places


def test_the_most_certain_mistakes_are_shown(finished: Path) -> None:
    trained = load_trained(finished)
    predictions = predict(trained)
    measured = measure(trained, predictions)
    confidence, named = predictions.logits.double().softmax(dim=1).max(dim=1)
    wrong = (named != predictions.labels).nonzero().squeeze(1).tolist()
    expected = sorted(wrong, key=lambda row: -float(confidence[row]))[:SHOWN]
    assert [item["row"] for item in measured["shown"]] == expected
    assert all(item["class"] != item["named"] for item in measured["shown"])
    assert trained.network.get_submodule(f"module.{measured['layer']}")
    assert not plain(trained).training


def test_the_command_writes_the_sheet_once_and_of_the_named_images(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / finished.name
    shutil.copytree(finished, path)
    words = [str(path), "--what", "attention"]
    assert run_command(command.main, words) == OK
    assert f"{path}/evaluation/attention.png" in capsys.readouterr().out
    assert run_command(command.main, words) == OK
    assert "attention.png" not in capsys.readouterr().out
    assert run_command(command.main, [*words, "--images", "7", "3"]) == OK
    named = json.loads((path / "evaluation" / "attention-3-7.json").read_text())
    assert [item["row"] for item in named["shown"]] == [3, 7]
    assert (path / "evaluation" / "attention-3-7.png").stat().st_size > 5_000
    assert run_command(command.main, [*words, "--images", "40"]) == BAD_INPUT
    assert "--images 40: the split test has the rows 0 to 39" in capsys.readouterr().err
    assert run_command(command.main, [str(path), "--what", "calibration", "--images", "4"]) == BAD_INPUT
    assert "allowed with it: attention" in capsys.readouterr().err


def test_a_missing_extra_is_named_with_its_command(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    assert run_command(command.main, [str(finished), "--what", "attention"]) == BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith("error: --what attention needs the package 'pytorch_grad_cam', which is not installed: ")
    assert said.endswith("pip install -e '.[evaluate]'\n")
