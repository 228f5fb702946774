"""The report has a section for each kind of machine that was measured, whatever machine writes it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.speed import __main__ as speed
from bench.speed import command, kinds
from bench.speed.kinds import folder_name, kind_of
from bench.speed.report import kind_section, speed_report
from bench.util.cli import BAD_INPUT, OK, run_command
from tests.conftest import REPOSITORY

MACHINES: dict[str, dict[str, Any]] = {
    "a_cpu_avx512_bf16": {"cpu": "A CPU", "extension": "AVX512-BF16", "gpu": None, "limits": {}},
    "a_cpu_avx2_limited": {"cpu": "A CPU", "extension": "AVX2", "limits": {"ATEN_CPU_CAPABILITY": "avx2"}},
    "b_r_cpu_avx2_tesla_v100": {"cpu": "B(R) CPU", "extension": "AVX2", "gpu": "Tesla V100"},
    "an_old_one": {"cpu": "A CPU"},
}


def scaling(machine: dict[str, Any], speed: float) -> dict[str, Any]:
    """Return the numbers of a measurement of scaling."""
    row = {"model": "resnet_20", "processes": 1, "threads": 1, "images_per_second": [speed], "startup": [8.0]}
    git = {"commit": "0123456789abcdef", "dirty": False}
    return {
        "measurement": "scaling",
        "command": "python -m bench.speed scaling resnet_20 --save scaling",
        "environment": {"cores": 2, "packages": {"torch": "2"}, "git": git, **machine},
        "plan": {"batch": 8, "steps": 2, "rounds": 1, "data": "shapes100"},
        "rows": [row],
    }


def write(root: Path, folder: str, numbers: dict[str, Any], name: str = "scaling") -> None:
    (root / folder).mkdir(exist_ok=True)
    (root / folder / f"{name}.json").write_text(json.dumps(numbers))


def test_each_kind_has_its_section(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("How to read it.\n")
    for number, (folder, machine) in enumerate(MACHINES.items()):
        write(tmp_path, folder, scaling(machine, 100.0 + number))
        (tmp_path / folder / "notes.md").write_text(f"Notes on {folder}.\n")
    lines = speed_report(tmp_path).splitlines()
    found = [line for line in lines if line.startswith(("## ", "Notes", "How", "| resnet_20"))]
    assert found[0] == "How to read it."
    # In the order of the folders' names, each with its own figures.
    titles = ["## A CPU, AVX2 (limited)", "## A CPU, AVX512-BF16", "## A CPU", "## B(R) CPU, AVX2, Tesla V100"]
    assert found[1::3] == titles
    assert [line.split("|")[3].strip().split()[0] for line in found[3::3]] == ["101", "100", "103", "102"]


def test_a_second_kind_adds_a_section_and_changes_no_other(tmp_path: Path) -> None:
    write(tmp_path, "a_cpu_avx512_bf16", scaling(MACHINES["a_cpu_avx512_bf16"], 100))
    before = speed_report(tmp_path)
    write(tmp_path, "b_r_cpu_avx2_tesla_v100", scaling(MACHINES["b_r_cpu_avx2_tesla_v100"], 200))
    assert speed_report(tmp_path).startswith(before)


@pytest.mark.parametrize("folder", [name for name in MACHINES if name != "an_old_one"])
def test_numbers_are_kept_in_the_folder_of_their_kind(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "KEPT", tmp_path)
    numbers = scaling(MACHINES[folder], 100)
    options = command.argparse.Namespace(json=None, save="Two rounds", models=["resnet_20"])
    command.check(options, {})
    command.publish(numbers, "a table", options)
    (file,) = tmp_path.glob("*/*.json")
    assert file.relative_to(tmp_path) == Path(folder) / "two_rounds.json"
    assert json.loads(file.read_text()) == numbers
    assert f"## {kind_of(numbers['environment'])}" in speed_report(tmp_path)


def test_numbers_in_another_kinds_folder_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "a_cpu_avx512_bf16", scaling(MACHINES["a_cpu_avx2_limited"], 100))
    assert run_command(speed.main, ["report", str(tmp_path)]) == BAD_INPUT
    assert "a_cpu_avx2_limited" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["{", "[]", '{"measurement": "stepp"}'])
def test_a_file_without_numbers_is_named(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kind").mkdir()
    (tmp_path / "kind" / "x.json").write_text(content)
    assert run_command(speed.main, ["report", str(tmp_path)]) == BAD_INPUT
    assert "x.json" in capsys.readouterr().err


def test_a_name_without_letters_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(speed.main, ["scaling", "resnet_20", "--save", "../"]) == BAD_INPUT
    assert "--save" in capsys.readouterr().err


def test_the_committed_report_is_that_of_the_committed_numbers() -> None:
    text = (REPOSITORY / "reports" / "speed.md").read_text(encoding="utf-8")
    assert text.partition("\n")[2] == speed_report(kinds.KEPT)
    assert folder_name(kind_of({"cpu": "AMD EPYC", "extension": "AVX512-BF16"})) == "amd_epyc_avx512_bf16"


@pytest.mark.parametrize("path", sorted(kinds.KEPT.glob("*/notes.md")), ids=lambda path: path.parent.name)
def test_times_that_notes_cite_are_those_of_the_section_that_they_name(path: Path) -> None:
    """As written there, or as the ratio of two of its speeds."""
    sections = {text.split("\n", 1)[0][4:]: text for text in kind_section(path.parent) if text.startswith("### ")}
    found = []
    for point in path.read_text(encoding="utf-8").split("\n- "):
        for before, name in re.findall(r"(.*?)\(\*([^*]+)\*", point, re.DOTALL):
            found += [(name, number) for number in re.findall(r"(\d\.\d\d)\s+times", before)]
    assert found
    for name, number in found:
        speeds = [float(cell.replace(",", "")) for cell in re.findall(r"(?<=\| )[\d,]+(?= \|)", sections[name])]
        ratios = {f"{one / other:.2f}" for one in speeds for other in speeds if other}
        assert f" {number} " in sections[name] or number in ratios, f"{path}: {number} times (*{name}*)"


def test_it_imports_neither_torch_nor_composer(tmp_path: Path) -> None:
    code = (
        "import sys; from bench.speed.__main__ import main; code = main(['report', '--out', sys.argv[1]]);"
        "print(code, [name for name in ('torch', 'composer', 'torchvision') if name in sys.modules])"
    )
    out = tmp_path / "speed.md"
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == f"{OK} []"
    assert out.is_file()
