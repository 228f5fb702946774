"""Records of a stranger: damaged ones are refused by name, and their texts steer neither terminal, page nor W&B."""

from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from bench.analysis.wandb_ids import MAX_ID, run_id
from bench.records import EPOCHS, RESULT, SPEC, read_epochs, read_run, read_runs
from bench.tables.__main__ import main
from bench.util.errors import BadInput
from bench.util.untrusted import printable
from tests.fake_runs import write_fake_run

NASTY = "<script>alert(1)</script> \\input{/etc/passwd} | *b* \x1b[31m \x9b2J \u202egnp.exe \x00 ../../x"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Return a runs folder in which two runs tell NASTY wherever a record holds a text that a table shows."""
    shown = ("model.name", "model.family", "machine.device_name", "data.name", "spec.model.name", "spec.optimizer.name")
    for seed in (0, 1):
        write_fake_run(tmp_path, "resnet_20", seed, result=dict.fromkeys(shown, NASTY))
    return tmp_path


def test_texts_of_records_cannot_steer_a_terminal(hostile: Path) -> None:
    for record in read_runs(hostile):
        assert record.model == "<script>alert(1)</script> \\input{/etc/passwd} | *b* �[31m �2J �gnp.exe � ../../x"
    assert printable({"a\x07": ["\x1b", "tab\t line\n", "ü 中", 1, None]}) == {
        "a�": ["�", "tab\t line\n", "ü 中", 1, None]
    }


@pytest.mark.parametrize("escape", [r"\r", r"\b", r"\f", r"\u001b", r"\ud800"])
def test_escapes_of_json_are_no_way_around(escape: str, tmp_path: Path) -> None:
    (tmp_path / RESULT).write_text(f'{{"spec": {{"model": {{"name": "a{escape}b"}}, "seed": 0}}}}')
    assert read_run(tmp_path).model == "a\ufffdb"


def test_a_spec_is_read_as_carefully(tmp_path: Path) -> None:
    (tmp_path / SPEC).write_text('model: {name: "\\e[31m"}\nseed: 0\n')
    assert read_run(tmp_path).model == "�[31m"


@pytest.mark.parametrize("form", ["html", "md", "tex", "csv"])
def test_texts_of_records_stay_texts(form: str, hostile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["comparison", "--runs", str(hostile), "--format", form, "--wide"]) == 0
    shown = capsys.readouterr().out
    assert not any(mark in shown for mark in "\x1b\x9b\u202e\x00")
    assert "alert(1)" in shown
    if form == "html":
        assert "<script" not in shown
    if form == "tex":
        assert r"\input{" not in shown
    if form == "md":
        page = MarkdownIt("commonmark").enable("table").render(shown)
        assert "<script" not in page
        assert "<em>b" not in page


# What a file of a run may be turned into.
DAMAGED: dict[str, tuple[str, Any]] = {
    "a result that is no object": (RESULT, "[1]"),
    "a result that is truncated": (RESULT, '{"status": "fin'),
    "a result nested without end": (RESULT, "[" * 100_000),
    "a result whose spec is a list": (RESULT, '{"spec": [1]}'),
    "a result whose spec has no model": (RESULT, '{"spec": {"seed": 0}}'),
    "a result whose spec has no seed": (RESULT, '{"spec": {"model": {"name": "x"}}}'),
    "a result whose model is a list": (RESULT, '{"spec": {"model": {"name": [1]}, "seed": 0}}'),
    "a spec that runs code": (SPEC, "model: !!python/object/apply:os.system ['true']\nseed: 0\n"),
    "a spec that is no mapping": (SPEC, "- 1\n"),
    "a spec without a seed": (SPEC, "model: {name: x}\n"),
    "a spec that contains itself": (SPEC, "model: &m {name: *m}\nseed: 0\n"),
    "a spec that is no text": (SPEC, b"\xff\xfe\x00"),
    "a row that is truncated": (EPOCHS, '{"epoch": 1\n{"epoch": 2}\n'),
    "a row that is a number": (EPOCHS, '{"epoch": 1}\n7\n'),
    "a row that is no text": (EPOCHS, b"\xff\xfe\n"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_record_is_refused_by_name(name: str, tmp_path: Path) -> None:
    file, content = DAMAGED[name]
    (tmp_path / SPEC).write_text("model: {name: resnet_20}\nseed: 0\n")
    (tmp_path / file).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(BadInput, match=file):
        _ = read_epochs(tmp_path / EPOCHS) if file == EPOCHS else read_run(tmp_path)


def test_wandb_ids_are_short_stable_and_different() -> None:
    assert run_id("quickstart", "resnet_20-0123abcd-s0") == "quickstart-resnet_20-0123abcd-s0"
    long = [run_id("e" * 100, "m" * 90 + f"-0123abcd-s{seed}") for seed in (0, 1, 1)]
    assert max(map(len, long)) <= MAX_ID
    assert long[0] != long[1] == long[2]
