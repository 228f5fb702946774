"""What is exported loads in a process that has none of this package, and classifies as the run did."""

import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch

from bench.evaluate.trained import load_trained, predict
from bench.export import __main__ as export
from bench.export.registry import FORMATS
from bench.util import extras
from bench.util.cli import BAD_INPUT, OK, run_command
from tests.evaluate.conftest import Train

# A process that sees neither the repository nor an installed copy of the package.
ALONE = """
import sys
sys.modules |= {{"bench": None, "algorithms": None, "composer": None}}
import numpy, torch
images = numpy.load({images!r})
if not {arrays}:
    images = torch.from_numpy(images)
with torch.no_grad():
{lines}
numpy.save({out!r}, numpy.asarray(logits))
"""


def classify_alone(lines: list[str], images: Path, folder: Path) -> np.ndarray:
    """Return the logits that the printed lines compute in a process of their own."""
    out = folder / "logits.npy"
    indented, arrays = "\n".join(f"    {line}" for line in lines), "uint8 array" in lines[-1]
    code = ALONE.format(images=str(images), out=str(out), lines=indented, arrays=arrays)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, check=False, timeout=120, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-1000:]
    return np.load(out)


def exported(run: Path, folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Export a run and return the lines that load it."""
    assert run_command(export.main, [str(run), "--out", str(folder / "made"), *words]) == OK
    head, path, text = capsys.readouterr().out.rpartition(f"{folder / 'made'}\n\n")
    assert ("checked by onnxruntime" in head) == ("onnx" in words)
    lines = text.splitlines()
    written = Path(path.strip())
    files = written.iterdir() if written.is_dir() else [written]
    assert sum(file.stat().st_size for file in files) > 10_000
    return lines


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["torchscript", "onnx"])
def test_a_network_of_the_suite_classifies_without_the_package(
    name: str, finished: Path, tmp_path: Path, easy_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = exported(finished, tmp_path, capsys, "--format", name)
    assert len(lines) == 4
    logits = classify_alone(lines, easy_root / "easy" / "test_images.npy", tmp_path)
    np.testing.assert_allclose(logits, predict(load_trained(finished)).logits.numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_a_timm_model_classifies_by_timm(
    train: Train, tmp_path: Path, easy_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train("model.name=timm/resnet10t", "max_duration=1ba", "algorithms.ema={half_life: 1ba}")
    expected = predict(load_trained(run)).logits.numpy()
    images = easy_root / "easy" / "test_images.npy"
    lines = exported(run, tmp_path, capsys, "--format", "timm")
    assert len(lines) == 4
    np.testing.assert_allclose(classify_alone(lines, images, tmp_path), expected, rtol=1e-3, atol=1e-4)
    source = f"local-dir:{tmp_path / 'made'}"
    body = timm.create_model(source, pretrained=True, features_only=True)
    tuned = timm.create_model(source, pretrained=True, num_classes=7)
    assert torch.equal(body.layer4[0].conv1.weight, tuned.layer4[0].conv1.weight)
    assert tuned.fc.out_features == 7
    (tmp_path / "weights").mkdir()
    names: dict[str, Any] = {"images": torch.from_numpy(np.load(images))}
    exec("\n".join(exported(run, tmp_path / "weights", capsys, "--format", "safetensors")), names)
    np.testing.assert_allclose(names["logits"].detach(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_a_transformer_of_one_image_size_goes_to_timm_and_onnx(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train("model.name=timm/vit_tiny_patch16_224", "max_duration=1ba")
    for name in ("timm", "onnx"):
        (tmp_path / name).mkdir()
        assert len(exported(run, tmp_path / name, capsys, "--format", name)) == 4
    size = json.loads((tmp_path / "timm" / "made" / "config.json").read_text())["model_args"]
    assert size == {"img_size": [32, 32]}


@pytest.mark.filterwarnings("ignore")
def test_what_is_none_of_timms_networks_is_refused_with_the_other_formats(
    finished: Path, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Opening a stem keeps the weights' shapes: timm's own network would load them and compute something else."""
    opened = train("model.name=timm/resnet10t", "model.stem=cifar", "max_duration=1ba")
    for run in (finished, opened):
        out = tmp_path / run.name
        assert run_command(export.main, [str(run), "--format", "timm", "--out", str(out)]) == BAD_INPUT
        assert "allowed formats are torchscript, onnx, safetensors" in capsys.readouterr().err
        assert not out.exists()
    assert "timm.create_model" not in "\n".join(exported(opened, tmp_path, capsys, "--format", "safetensors"))


def test_weights_of_a_network_of_the_suite_say_what_is_missing(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = exported(finished, tmp_path, capsys, "--format", "safetensors")
    assert "--format torchscript and onnx write it too" in lines[-1]


def test_a_missing_extra_is_named_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "onnxruntime" else name)
    assert run_command(export.main, [str(tmp_path / "no run"), "--format", "onnx"]) == BAD_INPUT
    expected = (
        "error: --format onnx needs the package 'onnxruntime', which is not installed: pip install -e '.[evaluate]'\n"
    )
    assert capsys.readouterr().err == expected


class Harmful:
    """An object whose unpickling makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", ["weights.safetensors", "ep000002-ba0000000008.pt"])
def test_a_pickle_in_place_of_weights_is_refused_and_runs_nothing(
    name: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = pickle.dumps(Harmful(tmp_path / "mark"))
    (tmp_path / name).write_bytes(content)
    (tmp_path / f"{name}.sha256").write_text(f"{hashlib.sha256(content).hexdigest()}\n")
    words = [str(finished), "--checkpoint", str(tmp_path / name), "--out", str(tmp_path / "out")]
    assert run_command(export.main, words) == BAD_INPUT
    assert f"--checkpoint {tmp_path / name}: " in capsys.readouterr().err
    assert not (tmp_path / "mark").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "timm"])
@pytest.mark.parametrize("place", ["file/x", "folder"])
def test_a_place_that_cannot_be_written_is_refused(
    name: str, place: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    words = [str(finished), "--format", name, "--out", str(tmp_path / place)]
    assert run_command(export.main, words) == BAD_INPUT
    assert "cannot be written" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]
