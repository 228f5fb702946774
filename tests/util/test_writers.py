"""One writer of tables in Markdown, one for the terminal, one of whole files; nothing else writes them."""

import os
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import bench
from bench.util.files import write_atomically
from bench.util.markdown import display_width, escape, markdown_table
from bench.util.text_table import text_table

SOURCES = sorted(Path(bench.__file__).parent.rglob("*.py"))
ROWS = [["a|b", "1.5"], ["<i>中文</i> _x_ $y$", "12"]]


@pytest.mark.parametrize("aligned", [False, True])
def test_a_markdown_table_shows_its_cells_as_they_are(aligned: bool) -> None:
    rows = [[escape(name), figure] for name, figure in ROWS]
    table = markdown_table(["name", "figure"], rows, [1], aligned=aligned)
    html = MarkdownIt("commonmark").enable("table").render(table)
    assert html.count("<td") == 4
    assert "<td>a|b</td>" in html
    assert "<td>&lt;i&gt;中文&lt;/i&gt; _x_ $y$</td>" in html
    assert html.count('style="text-align:right"') == 3
    widths = {display_width(line) for line in table.splitlines()}
    assert (len(widths) == 1) == aligned


def test_a_text_table_lines_its_columns_up() -> None:
    lines = text_table(["name", "figure"], [["中文", "1"], ["abcdef", "12"]], [1])
    assert lines == ["name    figure", "中文         1", "abcdef      12"]


def test_text_is_written_as_utf8_and_leaves_no_draft(tmp_path: Path) -> None:
    write_atomically(tmp_path / "x.md", "中\n")
    write_atomically(tmp_path / "x.md", "ü\n")
    assert (tmp_path / "x.md").read_bytes() == b"\xc3\xbc\n"
    assert [path.name for path in tmp_path.iterdir()] == ["x.md"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "x", b"old")

    def refuse(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="no space"):
        write_atomically(tmp_path / "x", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"old")]


@pytest.mark.parametrize(
    ("sign", "writer"), [("---:", "markdown.py"), ("-:", "markdown.py"), (".rjust(", ""), ('}.tmp"', "files.py")]
)
def test_nothing_else_writes_tables_or_drafts(sign: str, writer: str) -> None:
    assert {path.name for path in SOURCES if sign in path.read_text(encoding="utf-8")} <= {writer}
