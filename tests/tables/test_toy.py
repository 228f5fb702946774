"""A new column is one row of COLUMNS, a new table a builder and its row: every format and language has them."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.analysis.cells import Block, Phrase, Row, Table, constant_cell
from bench.analysis.run_groups import RunGroup
from bench.tables import measures as m
from bench.tables.__main__ import main
from bench.tables.registry import TABLES
from bench.util.cli import OK, run_command
from tests.fake_runs import write_fake_run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Return a folder with one generated run."""
    write_fake_run(tmp_path / "runs", "resnet_20")
    return tmp_path / "runs"


def printed(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Return what the command prints."""
    assert run_command(main, [str(word) for word in words]) == OK
    return capsys.readouterr().out


@pytest.mark.parametrize("table", ["comparison", "efficiency", "training_cost"])
def test_a_column_is_one_row(
    table: str, runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make = m.of(constant_cell, "model.activations", m.MILLION)
    toy = m.column("activations_m", "Activations (M)", "激活 (M)", 1, tables=(table,), make_cell=make)
    monkeypatch.setitem(m.COLUMNS, toy.key, toy)
    text = printed(capsys, table, "--runs", runs)
    heading, _, row = (line for line in text.splitlines() if line.startswith("|"))
    assert (heading.split("|")[-2].strip(), row.split("|")[-2].strip()) == ("Activations (M)", "1.0")
    assert "激活 (M)" in printed(capsys, table, "--runs", runs, "--lang", "zh")
    (line,) = csv.DictReader(printed(capsys, table, "--runs", runs, "--format", "csv").splitlines())
    assert line["activations_m"] == "1.0"
    others = {"comparison", "efficiency", "training_cost"} - {table}
    assert "Activations" not in printed(capsys, *others, "--runs", runs)


def sizes(run_groups: Sequence[RunGroup], options: m.Options) -> Table:
    """Return a table of networks and their sizes."""
    columns = m.find("model", "params_m")
    rows = [Row(m.measure(run_group, columns)) for run_group in run_groups]
    return Table("sizes", Phrase("Sizes", zh="大小"), columns, [Block(None, rows)])


def test_a_table_is_a_builder_and_a_row(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(TABLES, "sizes", sizes)
    lines = printed(capsys, "sizes", "--runs", runs).splitlines()
    assert lines[0] == "## Sizes"
    assert [cell.strip() for cell in lines[-1].split("|")[1:3]] == ["resnet_20", "0.278"]
    assert printed(capsys, "sizes", "--runs", runs, "--lang", "zh").startswith("## 大小")
    written = printed(capsys, "--runs", runs, "--format", "tex", "--out", tmp_path).split()
    assert str(tmp_path / "sizes.tex") in written
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "sizes" in capsys.readouterr().out
