"""What is exported loads in a process that has none of this package, and classifies as the run did."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import export
from bench.evaluate.trained import load_trained, predict
from bench.util.cli import BAD_INPUT, OK, run_command
from tests.evaluate.conftest import Train

# A process that sees neither the repository nor an installed copy of the package.
ALONE = """
import sys
sys.modules |= {{"bench": None, "algorithms": None, "composer": None}}
import numpy, torch
images = torch.from_numpy(numpy.load({images!r}))
with torch.no_grad():
{lines}
numpy.save({out!r}, logits.numpy())
"""


def classify_alone(lines: list[str], images: Path, folder: Path) -> np.ndarray:
    """Return the logits that the printed lines compute in a process of their own."""
    out = folder / "logits.npy"
    code = ALONE.format(images=str(images), out=str(out), lines="\n".join(f"    {line}" for line in lines))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, check=False, timeout=120, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-1000:]
    return np.load(out)


def exported(run: Path, folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Export a run and return the lines that load it."""
    assert run_command(export.main, [str(run), "--out", str(folder / "made"), *words]) == OK
    _, path, text = capsys.readouterr().out.rpartition(f"{folder / 'made'}\n\n")
    lines = text.splitlines()
    assert Path(path.strip()).stat().st_size > 10_000
    return lines


@pytest.mark.filterwarnings("ignore")
def test_torchscript_classifies_without_the_package(
    finished: Path, tmp_path: Path, easy_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = exported(finished, tmp_path, capsys, "--format", "torchscript")
    assert len(lines) == 4
    logits = classify_alone(lines, easy_root / "easy" / "test_images.npy", tmp_path)
    np.testing.assert_allclose(logits, predict(load_trained(finished)).logits.numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_safetensors_of_a_timm_model_classify_by_timm(
    train: Train, tmp_path: Path, easy_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train("model.name=timm/resnet10t", "max_duration=1ba", "algorithms.ema={half_life: 1ba}")
    lines = exported(run, tmp_path, capsys, "--format", "safetensors")
    logits = classify_alone(lines, easy_root / "easy" / "test_images.npy", tmp_path)
    np.testing.assert_allclose(logits, predict(load_trained(run)).logits.numpy(), rtol=1e-3, atol=1e-4)


def test_weights_of_a_network_of_the_suite_say_what_is_missing(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = exported(finished, tmp_path, capsys, "--format", "safetensors")
    assert "--format torchscript writes the network too" in lines[-1]


def test_a_place_that_cannot_be_written_is_refused(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    words = [str(finished), "--format", "safetensors", "--out", str(tmp_path / "file" / "x")]
    assert run_command(export.main, words) == BAD_INPUT
    assert "cannot be written" in capsys.readouterr().err
