"""`python -m bench.report html`: writes one file, refuses what it cannot read or write."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.records import write_evaluation
from bench.report.__main__ import main
from bench.util.cli import OK, run_command
from tests.fake_runs import write_fake_run


def test_it_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_fake_run(tmp_path / "runs", "resnet_20")
    out = tmp_path / "new" / "page.html"
    assert main(["html", "--runs", str(tmp_path / "runs"), "--out", str(out), "--lang", "zh"]) == OK
    assert capsys.readouterr().out.startswith(f"wrote {out}: 1 runs, 0.")
    text = out.read_text(encoding="utf-8")
    assert "python -m bench.report html --runs" in text
    assert text.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["html", "--runs", "nowhere"], "there is no such runs folder"),
        (["page"], "unknown report 'page'"),
        ([], "name a report: html"),
    ],
)
def test_bad_input(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(main, words) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_fake_run(tmp_path / "runs", "resnet_20")
    (tmp_path / "file").write_text("")
    words = ["html", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "file" / "page.html")]
    assert run_command(main, words) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_it_needs_neither_torch_nor_composer(tmp_path: Path) -> None:
    write_fake_run(tmp_path / "runs", "resnet_20")
    code = (
        "import sys\n"
        "from bench.report.__main__ import main\n"
        f"main(['html', '--runs', {str(tmp_path / 'runs')!r}, '--out', {str(tmp_path / 'page.html')!r}])\n"
        "assert not {'torch', 'composer', 'timm'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)


def test_an_evaluated_repeat_of_a_run_is_on_the_page(tmp_path: Path) -> None:
    write_fake_run(tmp_path / "runs", "resnet_20", experiment="first")
    again = write_fake_run(tmp_path / "runs", "resnet_20", experiment="second")
    write_evaluation(again, "calibration", {"ece": 3.25, "images": 10_000, "version": 1})
    assert run_command(main, ["html", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "page.html")]) == OK
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "ECE (%)" in page
    assert f"trained another time (second/{again.name})" in page
