"""From a table to text that only needs to be escaped: numbers formatted, footnotes marked, phrases in one language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.analysis.cells import Cell, Column, Phrase, Row, Table, joined
from bench.tables.text import say

GAP = "—"
MINUS = "−"
# A column that does not apply to a row (a base has no difference from itself) is left empty; it is not missing.
BLANK = Cell(text=Phrase(""))
NOT_SHOWN = "Not shown, since no row has it: {} ({})"


@dataclass(frozen=True)
class Entry:
    """One cell as text, the marks of its footnotes, whether it is ours alone (a number), and the runs behind it."""

    text: str
    marks: tuple[str, ...] = ()
    is_number: bool = False
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A block as text."""

    heading: str | None
    rows: Sequence[Sequence[Entry]]


@dataclass(frozen=True)
class Page:
    """A table as text in one language."""

    name: str
    title: str
    headings: Sequence[str]
    left: Sequence[bool]
    sections: Sequence[Section]
    footnotes: Sequence[tuple[str, str]]
    notes: Sequence[str]
    language: str


@dataclass
class Marks:
    """Letters for footnotes, in the order in which they are met; the same words get the same letter."""

    letters: dict[str, str] = field(default_factory=dict)

    def mark(self, text: str) -> str:
        """Return the letter of a footnote: a to z, then aa, ab, …."""
        return self.letters.setdefault(text, letters_for(len(self.letters)))


def letters_for(index: int) -> str:
    """Return a, b, … z, aa, ab, … for 0, 1, …."""
    head, tail = divmod(index, 26)
    return (letters_for(head - 1) if head else "") + chr(ord("a") + tail)


def format_number(value: float, digits: int, signed: bool = False) -> str:
    """Return a number with fixed digits and a true minus; what would be rounded to 0 keeps two significant digits."""
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    if value != 0 and float(text) == 0:
        text = f"{value:+.2g}" if signed else f"{value:.2g}"
    return text.replace("-", MINUS)


def format_p(value: float) -> str:
    """Return a p-value with three digits."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def format_rank(cell: Cell) -> str:
    """Return a rank, or the range of those that are left open."""
    if cell.low is None or cell.high is None or cell.low == cell.high:
        return f"{cell.value:.0f}"
    return f"{cell.low:.0f}–{cell.high:.0f}"


def format_cell(cell: Cell, column: Column, language: str) -> str:
    """Return a cell as text. Raises ValueError for a number without a run."""
    if cell.text is not None:
        return say(cell.text, language)
    if cell.value is None:
        return GAP if cell.low is None else f"≥ {format_number(cell.low, column.digits)}"
    if not cell.runs:
        raise ValueError(f"column '{column.key}': {cell.value} has no run behind it")
    if column.kind == "p":
        return format_p(cell.value)
    if column.kind == "rank":
        return format_rank(cell)
    signed = column.kind == "difference"
    text = format_number(cell.value, column.digits, signed)
    if cell.low is None or cell.high is None or column.kind not in ("mean", "interval", "difference"):
        return text
    if column.kind == "mean":
        return f"{text} ± {format_number((cell.high - cell.low) / 2, column.digits)}"
    low, high = (format_number(end, column.digits, signed) for end in (cell.low, cell.high))
    return f"{text} [{low}, {high}]"


def make_page(table: Table, language: str = "en", *, wide: bool = False) -> Page:
    """Return a table as text.

    Unless `wide`, columns that do not fit into a paper are left out, and so are columns of times that no row has: these
    are named below the table.
    """
    chosen = [column for column in table.columns if wide or not column.wide]
    timed = [column.key for column in chosen if column.timed and not wide]
    empty = {key: reasons for key in timed if (reasons := why_empty(table, key))}
    columns = [column for column in chosen if column.key not in empty]
    marks = Marks()
    sections = [
        Section(
            say(block.heading, language) if block.heading else None,
            [make_row(row, columns, marks, language) for row in block.rows],
        )
        for block in table.blocks
    ]
    return Page(
        name=table.name,
        title=say(table.title, language),
        headings=[say(column.heading, language) for column in columns],
        left=[column.kind in ("words", "verdict") for column in columns],
        sections=sections,
        footnotes=[(letter, text) for text, letter in marks.letters.items()],
        notes=[say(note, language) for note in (*table.notes, *left_out(chosen, empty))],
        language=language,
    )


def why_empty(table: Table, key: str) -> tuple[Phrase, ...]:
    """Return why a column has nothing in any row, each reason once; nothing where some row has a number or a bound."""
    cells = [row.cells.get(key, BLANK) for block in table.blocks for row in block.rows]
    if any(cell.value is not None or cell.text is not None or cell.low is not None for cell in cells):
        return ()
    return tuple(dict.fromkeys(cell.why for cell in cells if cell.why is not None))


def left_out(columns: Sequence[Column], empty: Mapping[str, Sequence[Phrase]]) -> list[Phrase]:
    """Return a line for each reason for which columns are left out, with their headings."""
    headings: dict[tuple[Phrase, ...], list[Phrase]] = {}
    for column in columns:
        if column.key in empty:
            headings.setdefault(tuple(empty[column.key]), []).append(column.heading)
    return [Phrase(NOT_SHOWN, (joined(names), joined(reasons))) for reasons, names in headings.items()]


def make_row(row: Row, columns: Sequence[Column], marks: Marks, language: str) -> list[Entry]:
    """Return a row as text; notes on the row and on its numbers are marked at its first words."""
    cells = [row.cells.get(column.key, BLANK) for column in columns]
    remarks = [*row.notes, *(cell.why for cell in cells if cell.why and (cell.value is not None or cell.text))]
    letters = tuple(dict.fromkeys(marks.mark(say(remark, language)) for remark in remarks))
    entries = []
    for cell, column in zip(cells, columns, strict=True):
        own: tuple[str, ...] = ()
        if column.kind == "words" and letters:
            own, letters = letters, ()
        elif cell.value is None and cell.text is None and cell.why:
            own = (marks.mark(say(cell.why, language)),)
        text = format_cell(cell, column, language)
        entries.append(Entry(text, own, cell.text is None, cell.runs))
    return entries
