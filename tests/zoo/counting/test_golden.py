"""The golden file: reading, writing, and that analysis code can do it without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.util.errors import BadInput
from bench.zoo.counting.golden import Golden, read_golden, same_networks, write_golden

ONE = Golden(params=10, macs=20, ptflops_macs=21, activations=5, fingerprint="aa")
OTHER = Golden(params=11, macs=20, ptflops_macs=21, activations=5, fingerprint="bb")


def test_written_figures_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "golden.json"
    write_golden({"b": ONE, "a": OTHER}, path)
    assert list(read_golden(path).items()) == [("b", ONE), ("a", OTHER)]
    assert [p.name for p in tmp_path.iterdir()] == ["golden.json"]


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": {"params": 1}}', '{"a": {"colour": 1}}'])
def test_a_spoilt_file_is_bad_input(tmp_path: Path, text: str) -> None:
    path = tmp_path / "golden.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"golden\.json.*--update"):
        read_golden(path)


def test_a_missing_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--update"):
        read_golden(tmp_path / "none.json")


def test_flops_are_twice_the_macs() -> None:
    assert ONE.flops == 40


def test_same_networks_by_fingerprint() -> None:
    assert same_networks({"a": ONE, "b": OTHER, "c": ONE}) == [["a", "c"]]
    assert same_networks({"a": ONE, "b": OTHER}) == []


def test_analysis_modules_import_neither_torch_nor_composer() -> None:
    code = (
        "import sys, bench.zoo.counting.golden, bench.zoo.models, bench.zoo.table\n"
        "assert bench.zoo.counting.golden.read_golden() and bench.zoo.models.MODELS\n"
        "print([m for m in ('torch', 'composer', 'timm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
