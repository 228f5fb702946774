"""The four formats: what is shown is what the cells hold, whatever characters names carry; the LaTeX compiles."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from bench.analysis.cells import Block, Cell, Column, Phrase, Row, Table, number, words
from bench.tables import render_tex
from bench.tables.__main__ import main
from bench.tables.page import Page, make_page
from bench.tables.registry import all_tables
from bench.tables.render_csv import render_csv
from bench.tables.render_html import render_html
from bench.tables.render_md import render_markdown
from bench.tables.render_tex import render_latex
from bench.util.markdown import display_width

NASTY = r"a|b *c* `d` <script>alert(1)</script> & 100% $x_1$ #{e} ~^ \end{table} [f](g) _h_ i_j" + "\nk"
SHOWN = " ".join(NASTY.split())
COLUMNS = (Column("model", Phrase("Model & |_x_|"), kind="words"), Column("top1", Phrase("Top-1 (%)")))
ROWS = [Row({"model": words("{}", NASTY), "top1": number(66.5, ["x/<b>-s0"])}, (Phrase("{}", (NASTY,)),))]
TABLE = Table(
    "nasty", Phrase("{}", (NASTY,)), COLUMNS, [Block(Phrase("{}", (NASTY,)), ROWS)], (Phrase("{}", (NASTY,)),)
)
HAS_LATEX = shutil.which("pdflatex") is not None
HAS_CHINESE = (
    HAS_LATEX
    and subprocess.run(["kpsewhich", "CJKutf8.sty", "gbsnu00.tfm"], capture_output=True).stdout.count(b"\n") >= 1
)
NO_LATEX = "no LaTeX here (Debian: texlive-latex-base texlive-latex-recommended): its structure alone was checked"


class Texts(HTMLParser):
    """Collect the texts of a page by tag."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1], " ".join(data.split())))


def texts_of(html: str) -> list[tuple[str, str]]:
    reader = Texts()
    reader.feed(html)
    assert reader.open == []
    return reader.texts


def test_markdown_shows_names_as_they_are() -> None:
    html = MarkdownIt("commonmark").enable("table").render(render_markdown(make_page(TABLE)))
    whole = re.sub(r"\s+", " ", " ".join(text for _, text in texts_of(html)))
    assert whole.count(SHOWN) == 5
    assert [tag for tag, _ in texts_of(html) if tag in ("em", "code", "a", "script")] == []


def test_markdown_tables_have_a_cell_for_each_column(deck_runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["comparison", "--runs", str(deck_runs)])
    html = MarkdownIt("commonmark").enable("table").render(capsys.readouterr().out)
    assert html.count("<tr>") == 2 + 25
    assert all(row.count("<td") == 13 for row in html.split("<tr>")[1:] if "<td" in row)


def test_chinese_columns_are_aligned(deck_runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["comparison", "--runs", str(deck_runs), "--lang", "zh"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")][:20]
    assert len({display_width(line) for line in lines}) == 1


def test_html_escapes_everything() -> None:
    html = render_html([make_page(TABLE)])
    texts = texts_of(html)
    assert [tag for tag, _ in texts if tag == "script"] == []
    assert sum(SHOWN in text for _, text in texts) == 6  # page title, heading, block, cell, footnote, note
    assert 'title="x/&lt;b&gt;-s0"' in html


def test_html_names_the_runs_behind_a_cell(deck_runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["comparison", "--runs", str(deck_runs), "--format", "html"])
    assert "generated/resnet_20-" in capsys.readouterr().out


def check_structure(latex: str, columns: int) -> None:
    """Check what a LaTeX parser would: environments and braces close, each row has every column."""
    plain = re.sub(r"\\[\\{}%&$#_]", lambda m: r"\\" if m.group() == r"\\" else "", re.sub(r"(?m)^%.*$", "", latex))
    assert plain.count("{") == plain.count("}")
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", latex):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    body = latex.partition(r"\toprule")[2].partition(r"\bottomrule")[0]
    rows = [line for line in body.splitlines() if line.endswith(r" \\") and "multicolumn" not in line]
    assert rows
    assert all(len(re.findall(r"(?<!\\)&", row)) == columns - 1 for row in rows)


@pytest.mark.parametrize("name", all_tables())
@pytest.mark.parametrize("language", ["en", "zh"])
def test_latex_is_well_formed(
    name: str, language: str, ablation_runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([name, "--runs", str(ablation_runs), "--format", "tex", "--lang", language])
    latex = capsys.readouterr().out
    assert r"\toprule" in latex
    columns = re.search(r"begin\{tabular\}\{@\{\}((?:[lr]|p\{[^}]*\})+)@", latex)
    assert columns is not None
    check_structure(latex, len(re.sub(r"p\{[^}]*\}", "l", columns[1])))


def compile_latex(folder: Path, body: str, chinese: bool = False) -> str:
    """Compile a document that has `body` and return its log."""
    cjk = (r"\usepackage{CJKutf8}", r"\begin{CJK}{UTF8}{gbsn}", r"\end{CJK}") if chinese else ("", "", "")
    head = rf"\documentclass[twocolumn]{{article}}\usepackage[T1]{{fontenc}}\usepackage{{booktabs,graphicx}}{cjk[0]}"
    page = r"\usepackage[margin=2cm,a4paper]{geometry}"
    text = f"{head}{page}\n\\begin{{document}}{cjk[1]}\n{body}\n{cjk[2]}\\end{{document}}\n"
    (folder / "paper.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=300)
    log = (folder / "paper.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, log[-2000:]
    return log


@pytest.mark.skipif(not HAS_LATEX, reason=NO_LATEX)
def test_latex_compiles_and_fits_the_page(
    tmp_path: Path, ablation_runs: Path, deck_runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--runs", str(ablation_runs), "--format", "tex", "--wide"])
    main(["comparison", "--runs", str(deck_runs), "--format", "tex"])
    log = compile_latex(tmp_path, capsys.readouterr().out + render_latex(make_page(TABLE)))
    assert "Overfull" not in re.sub(r"Overfull \\hbox \([0-5]\.\d+pt", "", log)


@pytest.mark.skipif(not HAS_CHINESE, reason=NO_LATEX + " (Chinese: latex-cjk-chinese)")
def test_chinese_latex_compiles(tmp_path: Path, ablation_runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--runs", str(ablation_runs), "--format", "tex", "--lang", "zh"])
    compile_latex(tmp_path, capsys.readouterr().out, chinese=True)


def test_latex_escapes_every_special_character() -> None:
    escaped = render_tex.escape("\\{}$&#^_%~")
    assert render_tex.escape("--update a–b") == "-{}-update a--b"
    assert re.sub(r"\\textbackslash\{\}|\\text\w+\{\}|\\[{}$&#_%]", "", escaped) == ""


def test_csv_holds_full_numbers_intervals_and_runs(deck_runs: Path, tmp_path: Path) -> None:
    main(["comparison", "--runs", str(deck_runs), "--format", "csv", "--out", str(tmp_path)])
    frame = pd.read_csv(tmp_path / "comparison.csv")
    assert len(frame) == 25
    row = frame.set_index("model").loc["resnet_20"]
    assert row["top1_low"] < row["top1"] < row["top1_high"]
    assert len(row["runs"].split()) == row["n"] == 3
    assert {"images_per_s", "top1_per_mmac", "notes", "block"} <= set(frame.columns)


def test_csv_survives_every_character() -> None:
    from io import StringIO

    frame = pd.read_csv(StringIO(render_csv(TABLE)))
    assert frame.loc[0, "model"] == NASTY


def test_csv_gives_a_reason_once_for_all_columns_that_it_holds_for() -> None:
    gap, other = Cell(why=Phrase("one run")), Cell(why=Phrase("failed"))
    columns = [Column(key, Phrase(key)) for key in "abc"]
    table = Table("gaps", Phrase("gaps"), columns, [Block(None, [Row({"a": gap, "b": other, "c": gap})])], ())
    assert render_csv(table).splitlines()[1].endswith('"a, c: one run; b: failed",')


def test_a_page_has_as_many_entries_as_headings(ablation_runs: Path) -> None:
    page: Page = make_page(TABLE)
    assert all(len(row) == len(page.headings) for section in page.sections for row in section.rows)
