"""The deck for presentation programs: native text and tables, pictures, and the sources in the speaker's notes."""

import re
import zipfile
from collections.abc import Sequence
from io import BytesIO
from itertools import groupby
from typing import Any

from bench.report.deck import layout
from bench.report.deck.layout import COMMAND, LEFT, SIZES, TOP, WIDTH
from bench.report.deck.slides import Deck, Grid, Line, Part, Picture, Slide, cited
from bench.util.errors import BadInput
from bench.util.markdown import display_width

LATIN, CHINESE, MONO = "Arial", "Microsoft YaHei", "Courier New"
PAGE_SIZE = 10.0
INK, QUIET, WARNING, WRONG = "1B1B1B", "595959", "8A4B00", "A31515"
COLOURS = {"plain": INK, "heading": INK, "missing": WARNING, "correction": WRONG, "small": QUIET}
STARTS = {"plain": "• ", "heading": "", "missing": "⚠ ", "correction": "✗ ", "small": ""}
BLANK = 6
# XML has no place for these.
NO_CHARACTERS = re.compile("[\ufffe\uffff]")
# Files are the same each time: no date of their own.
DATE = (1980, 1, 1, 0, 0, 0)


def render_pptx(deck: Deck) -> bytes:
    """Return the file; raise BadInput where python-pptx is not installed."""
    try:
        from pptx import Presentation  # imported here: no other format needs it
        from pptx.util import Inches
    except ModuleNotFoundError:
        raise BadInput("--format pptx: needs python-pptx (pip install 'python-pptx>=1.0.2,<2')") from None
    presentation = Presentation()
    presentation.slide_width, presentation.slide_height = Inches(layout.PAGE_WIDTH), Inches(layout.PAGE_HEIGHT)
    presentation.core_properties.title = clean(deck.title)
    presentation.core_properties.comments = clean(deck.origin)
    for slide in deck.slides:
        pages = layout.paginate(slide)
        for number, parts in enumerate(pages, start=1):
            page = presentation.slides.add_slide(presentation.slide_layouts[BLANK])
            count = f" ({number}/{len(pages)})" if len(pages) > 1 else ""
            add_title(page, slide, count)
            add_parts(page, parts)
            page.notes_slide.notes_text_frame.text = clean(notes_of(slide, deck) if number == 1 else slide.title)
    content = BytesIO()
    presentation.save(content)
    return undated(content.getvalue())


def clean(text: str) -> str:
    """Return text that XML can hold."""
    return NO_CHARACTERS.sub("\ufffd", text)


def notes_of(slide: Slide, deck: Deck) -> str:
    """Return the speaker's notes: the time, and where each number comes from."""
    lines = [slide.time]
    for part in slide.parts:
        lines += [f"{words} ← {'; '.join(sources)}" for words, sources in cited(part) if sources]
    return "\n".join([*dict.fromkeys(lines), deck.origin])


def add_title(page: Any, slide: Slide, count: str) -> None:
    """Put the title on a page, and below it the number of the slide."""
    title = text_box(page, 0.35, 0.75)
    write(title.paragraphs[0], slide.title, layout.title_size(slide.title), INK, bold=True)
    foot = text_box(page, layout.PAGE_HEIGHT - 0.4, 0.3)
    write(foot.paragraphs[0], f"{slide.number}{count}", PAGE_SIZE, QUIET)


def text_box(page: Any, top: float, height: float) -> Any:
    """Return the text frame of a new box as wide as the page."""
    from pptx.util import Inches

    frame = page.shapes.add_textbox(Inches(LEFT), Inches(top), Inches(WIDTH), Inches(height)).text_frame
    frame.word_wrap = True
    frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = 0
    return frame


def write(paragraph: Any, text: str, size: float, colour: str, *, bold: bool = False, font: str = LATIN) -> None:
    """Append text to a paragraph in a font that has it."""
    from pptx.dml.color import RGBColor
    from pptx.oxml.ns import qn
    from pptx.util import Pt

    run = paragraph.add_run()
    run.text = clean(text)
    run.font.size, run.font.bold, run.font.name = Pt(size), bold, font
    run.font.color.rgb = RGBColor.from_string(colour)
    properties = run._r.get_or_add_rPr()
    # Programs choose the Chinese forms of characters, not the Japanese ones, by the language.
    properties.set("lang", "zh-CN" if display_width(text) > len(text) else "en-US")
    properties.append(properties.makeelement(qn("a:ea"), {"typeface": CHINESE}))


def add_parts(page: Any, parts: Sequence[Part]) -> None:
    """Put the parts of a page below each other; lines that follow each other share a box."""
    top = TOP
    for is_line, group in groupby(parts, lambda part: isinstance(part, Line)):
        members = list(group)
        if is_line:
            height = sum(map(layout.height, members))
            add_lines(page, [part for part in members if isinstance(part, Line)], top, height)
            top += height
            continue
        for part in members:
            if isinstance(part, Grid):
                add_grid(page, part, top)
            elif isinstance(part, Picture):
                add_picture(page, part, top)
            top += layout.height(part)


def add_lines(page: Any, lines: Sequence[Line], top: float, height: float) -> None:
    """Put lines into one box, a paragraph each, and their commands below them."""
    from pptx.util import Pt

    frame = text_box(page, top, height)
    for index, line in enumerate(lines):
        paragraph = frame.paragraphs[0] if index == 0 else frame.add_paragraph()
        size = SIZES[line.kind]
        paragraph.space_after = Pt(0 if line.command else size * layout.GAP)
        write(paragraph, f"{STARTS[line.kind]}{line.words}", size, COLOURS[line.kind], bold=line.kind == "heading")
        if line.command:
            below = frame.add_paragraph()
            below.space_after = Pt(size * layout.GAP)
            write(below, line.command, COMMAND, INK, font=MONO)


def add_grid(page: Any, grid: Grid, top: float) -> None:
    """Put a table on a page."""
    from pptx.util import Inches

    widths, heights = layout.column_widths(grid), layout.row_heights(grid)
    size = layout.type_size(grid)
    frame = page.shapes.add_table(
        len(heights), len(widths), Inches(LEFT), Inches(top), Inches(sum(widths)), Inches(sum(heights))
    )
    table = frame.table
    for column, width in zip(table.columns, widths, strict=True):
        column.width = Inches(width)
    for row, height in zip(table.rows, heights, strict=True):
        row.height = Inches(height)
    texts = [list(grid.headings), *([entry.words for entry in row] for row in grid.rows)]
    for across, left in enumerate(grid.left):
        for down, row in enumerate(texts):
            add_cell(table.cell(down, across), row[across], size, left=left, heading=down == 0)


def add_cell(cell: Any, text: str, size: float, *, left: bool, heading: bool) -> None:
    """Write the text of a cell of a table."""
    from pptx.enum.text import PP_ALIGN
    from pptx.util import Inches, Pt

    cell.margin_left = cell.margin_right = Inches(layout.CELL_ACROSS / 2)
    cell.margin_top = cell.margin_bottom = Inches(layout.CELL_DOWN / 2)
    paragraph = cell.text_frame.paragraphs[0]
    paragraph.alignment = PP_ALIGN.LEFT if left else PP_ALIGN.RIGHT
    # What is empty is as high as this.
    paragraph._p.get_or_add_endParaRPr().set("sz", str(Pt(size).centipoints))
    if text:
        write(paragraph, text, size, "FFFFFF" if heading else INK, bold=heading)


def add_picture(page: Any, picture: Picture, top: float) -> None:
    """Put a picture on a page, with its title for those who cannot see it."""
    from pptx.util import Inches

    width, height = layout.picture_size(picture)
    left = LEFT + (WIDTH - width) / 2
    shape = page.shapes.add_picture(BytesIO(picture.content), Inches(left), Inches(top), Inches(width), Inches(height))
    shape._element.nvPicPr.cNvPr.set("descr", clean(picture.title))


def undated(content: bytes) -> bytes:
    """Return a file of the zip kind without the dates of its members, so that it is the same each time."""
    result = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(zipfile.ZipInfo(name, DATE), source.read(name), zipfile.ZIP_DEFLATED)
    return result.getvalue()
