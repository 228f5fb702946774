"""What `--out` names is written whole, with its folder, or refused by name."""

from pathlib import Path

import pytest

from bench.__main__ import main
from bench.util.cli import BAD_INPUT, run_command
from bench.util.files import write_output

# Commands that write a file into what --out names; tables, audit and report have tests of their own.
COMMANDS = {"zoo": ["zoo", "--out"], "speed": ["speed", "report", "--out"]}


def test_it_is_written_with_its_folder(tmp_path: Path) -> None:
    write_output(tmp_path / "new" / "a.txt", "é\n")
    assert (tmp_path / "new" / "a.txt").read_text(encoding="utf-8") == "é\n"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_refuses_what_cannot_be_written(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "report"
    assert run_command(main, [*COMMANDS[command], str(out)]) == BAD_INPUT
    assert f"--out {out}" in (said := capsys.readouterr().err)
    assert "cannot be written" in said
