"""How slides are laid out on pages of a fixed size: heights are estimated, and what does not fit goes on the next page.

Lengths are in inches, sizes of type in points.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import replace

from bench.report.deck.slides import Grid, Line, Part, Picture, Slide
from bench.util.markdown import display_width

PAGE_WIDTH, PAGE_HEIGHT = 13.333, 7.5
LEFT, TOP = 0.5, 1.2
WIDTH, HEIGHT = PAGE_WIDTH - 2 * LEFT, 5.85
POINT = 1 / 72
# Type of a line by its kind, of titles at most, and of commands.
SIZES = {"plain": 16.0, "heading": 17.0, "missing": 13.0, "correction": 14.0, "small": 11.0}
TITLE, COMMAND = 26.0, 10.0
# Of the size of type: the width of a letter on average (East Asian ones count as two), the height of a line, the gap.
LETTER, LEADING, GAP = 0.56, 1.22, 0.35
# Lines with East Asian letters are higher.
EAST_ASIAN_LEADING = 1.45
MONO_LETTER = 0.62
# So much wider is bold type, in which headings of columns are set.
BOLD = 1.12
# Type of a table: what fits, between these; within a cell the margins on both sides together.
LARGEST, SMALLEST = 14.0, 8.0
CELL_ACROSS, CELL_DOWN = 0.14, 0.07
# A table is not begun in less room than this.
LEAST_TABLE = 1.2


def paginate(slide: Slide) -> list[list[Part]]:
    """Return the parts of a slide, page by page; a table that is too long goes on on the next one."""
    pages: list[list[Part]] = [[]]
    room = HEIGHT
    queue = flatten(slide.parts)
    while queue:
        part = queue.pop(0)
        if fits(part, queue[0] if queue else None, room) or not pages[-1]:
            if isinstance(part, Grid) and height(part) > room:
                part, rest = split(part, room)
                queue[:0] = [rest] if rest.rows else []
            pages[-1].append(part)
            room -= height(part)
        else:
            pages.append([])
            room = HEIGHT
            queue.insert(0, part)
    return pages


def flatten(parts: Sequence[Part]) -> list[Part]:
    """Return parts in which the titles and the footnotes of tables are lines of their own."""
    found: list[Part] = []
    for part in parts:
        if isinstance(part, Grid):
            found += [Line(part.title, kind="heading"), part, *(Line(note, kind="small") for note in part.footnotes)]
        else:
            found.append(part)
    return found


def fits(part: Part, following: Part | None, room: float) -> bool:
    """Tell whether a part may be begun in some room; a heading keeps with the beginning of what follows it."""
    keeps = isinstance(part, Line) and part.kind == "heading" and following is not None
    return needed(part) + (needed(following) if keeps and following else 0.0) <= room


def needed(part: Part) -> float:
    """Return the least room in which a part is begun: that of a whole one, of a table that of its first rows."""
    if isinstance(part, Grid):
        return min(height(part), max(LEAST_TABLE, sum(row_heights(part)[:3]) + 0.1))
    return height(part)


def height(part: Part) -> float:
    """Return how high a part is, on an empty page."""
    if isinstance(part, Line):
        return line_height(part)
    return sum(row_heights(part)) + 0.1 if isinstance(part, Grid) else picture_size(part)[1]


def line_height(line: Line) -> float:
    """Return how high a line is with its command."""
    size = SIZES[line.kind]
    count = lines_of(line.words, size * LETTER * POINT, WIDTH - 0.3)
    command = lines_of(line.command, COMMAND * MONO_LETTER * POINT, WIDTH - 0.3) if line.command else 0
    return (count * size * leading(line.words) + command * COMMAND * LEADING + size * GAP) * POINT


def leading(text: str) -> float:
    """Return the height of a line of a text, of its size of type."""
    return EAST_ASIAN_LEADING if display_width(text) > len(text) else LEADING


def lines_of(text: str, letter: float, width: float) -> int:
    """Return how many lines a text takes; a tenth is lost at the ends of lines that break at words."""
    length = display_width(text) * letter
    return 1 if length <= width else math.ceil(length / (0.92 * width))


def title_size(title: str) -> float:
    """Return the size of type at which a title takes one line, if that can be read."""
    return max(LARGEST, min(TITLE, WIDTH / (display_width(title) * LETTER * POINT)))


def type_size(grid: Grid) -> float:
    """Return the size of type at which a table's widest cells fit, between the largest and the smallest."""
    columns = sum(wanted(grid))
    room = WIDTH - len(grid.headings) * CELL_ACROSS
    return max(SMALLEST, min(LARGEST, room / (columns * LETTER * POINT)))


def wanted(grid: Grid) -> list[int]:
    """Return how many letters each column would like; headings may break between words, and long cells too."""
    return [
        min(40, 1 + max(heading_letters(heading), *(display_width(row[place].words) for row in grid.rows), 3))
        for place, heading in enumerate(grid.headings)
    ]


def heading_letters(heading: str) -> int:
    """Return how many letters wide a heading is on two lines; East Asian words break anywhere, others nowhere."""
    words = [2 if display_width(word) > len(word) else len(word) for word in heading.split()]
    return math.ceil(BOLD * max(display_width(heading) / 2 + 1, *words, 0))


def column_widths(grid: Grid) -> list[float]:
    """Return the widths of a table's columns."""
    letters = wanted(grid)
    spare = WIDTH - len(letters) * CELL_ACROSS
    scale = min(spare / sum(letters), type_size(grid) * LETTER * POINT * 1.15)
    return [count * scale + CELL_ACROSS for count in letters]


def row_heights(grid: Grid) -> list[float]:
    """Return the heights of a table's rows, that of the headings first."""
    size, widths = type_size(grid), column_widths(grid)
    letter = size * LETTER * POINT
    rows = [(list(grid.headings), BOLD * letter), *(([entry.words for entry in row], letter) for row in grid.rows)]
    return [
        max(lines_of(text, wide, width - CELL_ACROSS) for text, width in zip(row, widths, strict=True))
        * (size * leading("".join(row)) * POINT)
        + CELL_DOWN
        for row, wide in rows
    ]


def split(grid: Grid, room: float) -> tuple[Grid, Grid]:
    """Return the rows of a table that some room holds, at least one, and the others."""
    heights = row_heights(grid)
    totals = [sum(heights[: count + 1]) for count in range(1, len(grid.rows) + 1)]
    count = max(1, sum(total + 0.1 <= room for total in totals))
    return replace(grid, rows=grid.rows[:count]), replace(grid, rows=grid.rows[count:])


def picture_size(picture: Picture) -> tuple[float, float]:
    """Return the width and height of a picture that fills a page, from the head of its PNG file."""
    across, down = struct.unpack(">II", picture.content[16:24])
    width = min(WIDTH, (HEIGHT - 0.1) * across / down)
    return width, width * down / across
