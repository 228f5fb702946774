"""Slides as plain data: texts that are not escaped yet, pictures as bytes, and where every number comes from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["plain", "heading", "missing", "correction", "small"]


@dataclass(frozen=True)
class Line:
    """A line of a slide; `sources` say where its numbers come from, `command` is one that a reader may run."""

    words: str
    sources: tuple[str, ...] = ()
    kind: Kind = "plain"
    command: str = ""


@dataclass(frozen=True)
class Entry:
    """One cell of a table on a slide, with the letters of its footnotes."""

    text: str
    marks: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Return its text with its letters."""
        return f"{self.text} ({', '.join(self.marks)})" if self.marks else self.text


@dataclass(frozen=True)
class Grid:
    """A table of a slide; the columns `left` are set to the left."""

    title: str
    headings: Sequence[str]
    left: Sequence[bool]
    rows: Sequence[Sequence[Entry]]
    footnotes: Sequence[str] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A figure as the bytes of a file whose name it has."""

    name: str
    title: str
    content: bytes
    sources: tuple[str, ...] = ()


Part = Line | Grid | Picture


@dataclass(frozen=True)
class Slide:
    """One slide: its number in the deck ("A1" of the appendix), title, number and time in words, and what is on it."""

    number: str
    title: str
    time: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Deck:
    """The slides in one language; `origin` says which command made them of what."""

    title: str
    language: str
    origin: str
    slides: Sequence[Slide]


def row_sources(row: Sequence[Entry]) -> tuple[str, ...]:
    """Return the sources that the numbers of a row share: those of the first cell that has any."""
    return next((entry.sources for entry in row if entry.sources), ())


def other_sources(entry: Entry, row: Sequence[Entry]) -> tuple[str, ...]:
    """Return the sources of a cell that are not those of its whole row."""
    return tuple(source for source in entry.sources if source not in row_sources(row))


def cell_sources(row: Sequence[Entry], left: Sequence[bool]) -> list[tuple[str, ...]]:
    """Return the sources that stand at each cell of a row: at its first words those of the whole row as well."""
    first = next((place for place, side in enumerate(left) if side), 0)
    return [
        (*(row_sources(row) if place == first else ()), *other_sources(entry, row)) for place, entry in enumerate(row)
    ]


def cited(part: Part) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what of a part has sources, in words, with them: the part itself, rows of a table, single cells."""
    if isinstance(part, Line):
        yield part.words, part.sources
        return
    yield part.title, part.sources
    if isinstance(part, Picture):
        return
    for row in part.rows:
        name = next((entry.text for entry, left in zip(row, part.left, strict=True) if left), row[0].text)
        yield name, row_sources(row)
        for entry, heading in zip(row, part.headings, strict=True):
            yield f"{name}, {heading}", other_sources(entry, row)


def numbered_sources(slide: Slide) -> dict[str, int]:
    """Return the sources of a slide with their numbers, in the order in which they are met."""
    found = dict.fromkeys(source for part in slide.parts for _, sources in cited(part) for source in sources)
    return {source: place for place, source in enumerate(found, start=1)}
