"""Depthwise convolutions are measured in both types, and the table says which the runs use."""

import json
from pathlib import Path

import pytest
import torch

from bench.speed import __main__ as speed
from bench.speed import depthwise
from bench.speed.depthwise import CASES, Case, is_kept
from bench.util.cli import OK, run_command


def test_the_cases_are_of_both_kinds() -> None:
    assert {is_kept(case) for case in CASES} == {True, False}


def test_the_command_writes_its_numbers_and_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(depthwise, "CASES", (Case(4, 6, 3), Case(4, 6, 3, 2)))
    before, file = torch.get_num_threads(), tmp_path / "kind" / "depthwise.json"
    file.parent.mkdir()
    try:
        words = ["depthwise", "--batch", "2", "--threads", "1", "--rounds", "3", "--json", str(file)]
        assert run_command(speed.main, words) == OK
    finally:
        torch.set_num_threads(before)
    found = json.loads(file.read_text())
    assert [len(row["seconds"]["float32"]) for row in found["rows"]] == [3, 3]
    assert [row["kept"] for row in found["rows"]] == [False, True]
    capsys.readouterr()
    assert run_command(speed.main, ["report", str(tmp_path)]) == OK
    assert "| 4 | 3×3, stride 2 | 6×6 |" in capsys.readouterr().out
