"""The file for presentation programs: nothing is lost or overflows, Chinese has its font, notes have the sources."""

import re
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any

import pptx
import pytest
from pptx.oxml.ns import qn

from bench.report.__main__ import main
from bench.report.deck import layout
from bench.report.deck.about import About
from bench.report.deck.slides import Deck, Entry, Grid, Line, Part, Picture, Slide, numbered_sources
from bench.report.deck.write_pptx import CHINESE, notes_of, render_pptx
from bench.util.cli import run_command
from tests.fake_runs import write_fake_run, write_many
from tests.report.decks import committed_deck, deck_of
from tests.requirements import OFFICE, needs
from tests.test_escaping import NASTY


@pytest.fixture(scope="module", params=["en", "zh"])
def deck(request: pytest.FixtureRequest) -> Deck:
    return committed_deck(request.param, beside=True, form="png")


@pytest.fixture(scope="module")
def presentation(deck: Deck) -> Any:
    return pptx.Presentation(BytesIO(render_pptx(deck)))


def rows(parts: list[Part]) -> list[list[str]]:
    return [[entry.words for entry in row] for part in parts if isinstance(part, Grid) for row in part.rows]


def test_pages_hold_all_parts_and_none_overflows(deck: Deck) -> None:
    for slide in deck.slides:
        pages = layout.paginate(slide)
        assert all(page and sum(map(layout.height, page)) <= layout.HEIGHT for page in pages)
        flat = [part for page in pages for part in page]
        assert rows(flat) == rows(list(slide.parts))
        assert [p for p in flat if isinstance(p, Picture)] == [p for p in slide.parts if isinstance(p, Picture)]
        for page in pages:
            assert len(page) == 1 or not (isinstance(page[-1], Line) and page[-1].kind == "heading")


def test_a_long_table_goes_on_and_a_wide_one_is_set_smaller() -> None:
    long = Grid("t", ["a", "b"], [True, False], [[Entry(f"row {n}"), Entry("1")] for n in range(90)])
    pages = layout.paginate(Slide("1", "t", "", [Line("x"), long]))
    assert len(pages) > 3
    assert rows([part for page in pages for part in page]) == [[f"row {n}", "1"] for n in range(90)]
    wide = Grid("t", ["heading"] * 20, [True] * 20, [[Entry("a long name_of_a_cell")] * 20])
    assert layout.type_size(wide) == layout.SMALLEST < layout.type_size(long)
    assert sum(layout.column_widths(wide)) <= layout.WIDTH + 1e-9
    assert layout.row_heights(wide)[1] > 2 * layout.SMALLEST * layout.POINT


def shapes(presentation: Any) -> Iterator[tuple[Any, Any]]:
    for page in presentation.slides:
        for shape in page.shapes:
            yield page, shape


def test_what_the_slides_say_is_text_and_tables(deck: Deck, presentation: Any) -> None:
    said = [p.text for _, s in shapes(presentation) if s.has_text_frame for p in s.text_frame.paragraphs]
    cells = [[c.text for c in row.cells] for _, s in shapes(presentation) if s.has_table for row in s.table.rows]
    for slide in deck.slides:
        assert slide.title in said
        for part in slide.parts:
            if isinstance(part, Line):
                assert any(words.endswith(part.words) for words in said), part.words
                assert not part.command or part.command in said
            elif isinstance(part, Grid):
                assert list(part.headings) in cells
                assert all(row in cells for row in rows([part]))
    pictures = sum(isinstance(part, Picture) for slide in deck.slides for part in slide.parts)
    assert sum(shape.shape_type == 13 for _, shape in shapes(presentation)) == pictures > 2


def test_shapes_lie_on_the_page(presentation: Any) -> None:
    for _, shape in shapes(presentation):
        assert min(shape.left, shape.top) >= 0
        assert shape.left + shape.width <= presentation.slide_width
        assert shape.top + shape.height <= presentation.slide_height


def test_notes_have_the_source_of_every_number(deck: Deck, presentation: Any) -> None:
    notes = "\n".join(page.notes_slide.notes_text_frame.text for page in presentation.slides)
    for slide in deck.slides:
        for source in numbered_sources(slide):
            assert source in notes
        assert notes_of(slide, deck) in notes
    assert deck.origin in notes


def test_every_run_of_text_has_a_font_with_chinese(presentation: Any) -> None:
    runs = [run for _, s in shapes(presentation) if s.has_text_frame for p in s.text_frame.paragraphs for run in p.runs]
    for run in runs:
        asian = [child for child in run._r.rPr if child.tag.endswith("}ea")]
        assert [child.get("typeface") for child in asian] == [CHINESE]
    assert len(runs) > 60


def test_empty_cells_are_as_high_as_others(presentation: Any) -> None:
    tables = [s.table for _, s in shapes(presentation) if s.has_table]
    assert tables
    for table in tables:
        cells = [cell for row in table.rows for cell in row.cells]
        ends = {cell.text_frame.paragraphs[0]._p.find(qn("a:endParaRPr")).get("sz") for cell in cells}
        sizes = {run.font.size for cell in cells for run in cell.text_frame.paragraphs[0].runs}
        assert ends == {str(size.centipoints) for size in sizes}
        assert any(cell.text == "" for table in tables for row in table.rows for cell in row.cells)


def test_no_word_of_a_heading_is_broken(deck: Deck) -> None:
    for grid in (part for slide in deck.slides for part in slide.parts if isinstance(part, Grid)):
        letter = layout.type_size(grid) * layout.LETTER * layout.BOLD * layout.POINT
        for heading, width in zip(grid.headings, layout.column_widths(grid), strict=True):
            longest = max((len(word) for word in heading.split() if word.isascii()), default=0)
            assert longest * letter <= width - layout.CELL_ACROSS, heading


def test_two_files_are_equal(deck: Deck) -> None:
    assert render_pptx(deck) == render_pptx(deck)


def test_texts_of_records_and_speakers_stay_texts(tmp_path: Path) -> None:
    nasty = NASTY.replace("\x1b", "").replace("\x9b", "").replace("\x00", "").replace("\u202e", "") + "\ufffe_x000D_"
    shown = ("model.name", "machine.device_name", "data.name", "spec.model.name")
    write_fake_run(tmp_path, "resnet_20", result=dict.fromkeys(shown, nasty))
    content = render_pptx(deck_of(tmp_path, about=About(title=nasty), form="png"))
    first = next(iter(pptx.Presentation(BytesIO(content)).slides))
    assert first.shapes[0].text_frame.text == nasty.replace("\ufffe", "\ufffd")


def test_without_python_pptx_it_says_how_to_install_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pptx", None)
    write_fake_run(tmp_path / "runs", "resnet_20")
    words = ["deck", "--runs", str(tmp_path / "runs"), "--format", "pptx", "--out", str(tmp_path / "out" / "deck.pptx")]
    assert run_command(main, words) == 2
    assert "needs python-pptx" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_picture_keeps_its_shape(deck: Deck) -> None:
    for part in (part for slide in deck.slides for part in slide.parts if isinstance(part, Picture)):
        across, down = struct.unpack(">II", part.content[16:24])
        width, height = layout.picture_size(part)
        assert width / height == pytest.approx(across / down)
        assert width <= layout.WIDTH
        assert height <= layout.HEIGHT


@dataclass(frozen=True)
class Word:
    """A word of a page of a PDF file and its box, in points."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    def shared(self, other: "Word") -> float:
        """Return which part of the smaller one of two boxes lies in both."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(across, 0.0) * max(down, 0.0) / min(self.area, other.area)

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.bottom - self.top)


WORD = re.compile(r'<word xMin="(.+?)" yMin="(.+?)" xMax="(.+?)" yMax="(.+?)">(.*?)</word>')
# The boxes of the lines of one text overlap by a quarter.
TOUCHING = 0.3


def read_pages(path: Path) -> list[tuple[float, float, list[Word]]]:
    """Return width, height and words of each page of a PDF file."""
    command = ["pdftotext", "-bbox", str(path), "-"]
    pages = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("<page ")[1:]
    found = []
    for page in pages:
        width, height = (float(page.split(f'{name}="')[1].split('"')[0]) for name in ("width", "height"))
        words = [Word(text, *map(float, box)) for *box, text in WORD.findall(page)]
        found.append((width, height, words))
    return found


@pytest.mark.slow
@needs("libreoffice")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_libreoffice_shows_every_page_whole(language: str, tmp_path: Path) -> None:
    """No word leaves its page or covers another one, and Chinese has a font with its letters."""
    write_many(tmp_path / "runs", ("resnet_20", "resnet_56", "eca_resnet_20", "convnext_tiny"), seeds=3, epochs=4)
    deck = deck_of(tmp_path / "runs", language, mixed=True, beside=True, form="png")
    path = tmp_path / "deck.pptx"
    path.write_bytes(render_pptx(deck))
    profile = f"-env:UserInstallation=file://{tmp_path / 'profile'}"
    command = [OFFICE, profile, "--headless", "--convert-to", "pdf", "--outdir", str(tmp_path), str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    pages = read_pages(path.with_suffix(".pdf"))
    assert len(pages) == sum(len(layout.paginate(slide)) for slide in deck.slides)
    for width, height, words in pages:
        assert words
        assert [w.text for w in words if min(w.left, w.top) < 0 or w.right > width or w.bottom > height] == []
        covered = [(one.text, other.text) for one, other in combinations(words, 2) if one.shared(other) > TOUCHING]
        assert covered == []
    if language == "zh":
        fonts = subprocess.run(["pdffonts", str(path.with_suffix(".pdf"))], check=True, capture_output=True, text=True)
        assert "CJK" in fonts.stdout
        assert any("核心实验结果" in word.text for _, _, words in pages for word in words)
