"""Markdown tables, aligned so that they also read well in a terminal."""

import re
import unicodedata
from collections.abc import Sequence

from bench.tables.page import Entry, Page

# A backslash before any of these takes its meaning away (CommonMark 0.31, section 2.4); within a word `_` has none.
SPECIAL = re.compile(r"[\\|`*<>\[\]&$~#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def escape(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return SPECIAL.sub(lambda match: f"\\{match.group()}", " ".join(text.split()))


def display_width(text: str) -> int:
    """Return how many columns of a terminal a text takes: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def pad(text: str, width: int, left: bool) -> str:
    """Return text padded to a width in terminal columns."""
    space = " " * (width - display_width(text))
    return text + space if left else space + text


def entry_text(entry: Entry) -> str:
    """Return an entry with its marks."""
    text = entry.text if entry.is_number else escape(entry.text)
    return f"{text} ({', '.join(entry.marks)})" if entry.marks else text


def grid(headings: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[bool]) -> str:
    """Return one aligned Markdown table of texts that are already escaped."""
    widths = [max(3, *(display_width(line[i]) for line in (headings, *rows))) for i in range(len(headings))]
    rule = ["-" * width if side else "-" * (width - 1) + ":" for width, side in zip(widths, left, strict=True)]
    padded = [[pad(*item) for item in zip(line, widths, left, strict=True)] for line in (headings, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (padded[0], rule, *padded[1:]))


def render_markdown(page: Page) -> str:
    """Return a page as Markdown: a table for each block, footnotes and notes below."""
    headings = [escape(heading) for heading in page.headings]
    parts = [f"## {escape(page.title)}"]
    for section in page.sections:
        parts += [f"**{escape(section.heading)}**"] if section.heading else []
        parts.append(grid(headings, [[entry_text(entry) for entry in row] for row in section.rows], page.left))
    footnotes = [f"- ({letter}) {escape(text)}" for letter, text in page.footnotes]
    parts += ["\n".join([*footnotes, *(f"- {escape(note)}" for note in page.notes)])]
    return "\n\n".join(part for part in parts if part) + "\n"
