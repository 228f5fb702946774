"""Depthwise convolutions are measured in both types, and the table says which the runs use."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from algorithms.cpu_autocast import PLAIN, STRIDED, slow_kinds
from bench.engines.precision import find_row
from bench.speed import __main__ as speed
from bench.speed import depthwise
from bench.speed.depthwise import CASES, Case, is_kept
from bench.speed.depthwise_table import verdict
from bench.speed.kinds import describe_host, folder_name, kind_of
from bench.util.cli import OK, run_command


def kind_here() -> str:
    return folder_name(kind_of(describe_host()))


def test_the_cases_are_of_both_kinds() -> None:
    assert {is_kept(case, slow_kinds("AVX512-BF16")) for case in CASES} == {True, False}


def test_the_verdict_names_the_cases_in_which_the_other_type_is_faster() -> None:
    def row(kept: bool, bfloat16: float, kernel: int) -> dict[str, Any]:
        seconds = {"bfloat16": [bfloat16] * 3, "float32": [1.0] * 3}
        return {"channels": 8, "size": 4, "kernel": kernel, "stride": 1, "kept": kept, "seconds": seconds}

    good = [row(True, 5.0, 7), row(False, 0.5, 3), row(False, 1.05, 3), row(True, 0.95, 5)]
    assert "in 4 of 4 cases." in verdict(good)
    text = verdict([*good, row(True, 0.5, 9), row(False, 2.0, 1)])
    assert "in 4 of 6 cases; it is not for 8 channels, 9×9, 4×4; 8 channels, 1×1, 4×4." in text


def test_the_command_writes_its_numbers_and_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(depthwise, "CASES", (Case(4, 6, 3), Case(4, 6, 3, 2)))
    before, file = torch.get_num_threads(), tmp_path / kind_here() / "depthwise.json"
    file.parent.mkdir()
    try:
        words = ["depthwise", "--batch", "2", "--threads", "1", "--rounds", "3", "--json", str(file)]
        assert run_command(speed.main, words) == OK
    finally:
        torch.set_num_threads(before)
    found = json.loads(file.read_text())
    assert [len(row["seconds"]["float32"]) for row in found["rows"]] == [3, 3]
    slow = slow_kinds(find_row("cpu").name)
    assert [row["kept"] for row in found["rows"]] == [PLAIN in slow, STRIDED in slow]
    capsys.readouterr()
    assert run_command(speed.main, ["report", str(tmp_path)]) == OK
    assert "| 4 | 3×3, stride 2 | 6×6 |" in capsys.readouterr().out
