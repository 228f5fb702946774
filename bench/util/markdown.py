"""Markdown: text that cannot become markup, code spans, and tables."""

import re
import unicodedata
from collections.abc import Container, Sequence

SPACE = re.compile(r"\s+")
# A backslash before any of these takes its meaning away (CommonMark 0.31, section 2.4); within a word `_` has none.
SPECIAL = re.compile(r"[\\|`*\[\]$~#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
# Readers that know HTML but not the backslash must not see a tag.
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
NARROWEST = 3


def escape(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    flat = SPECIAL.sub(lambda match: f"\\{match.group()}", SPACE.sub(" ", text))
    return re.sub("[&<>]", lambda match: ENTITIES[match.group()], flat)


def escape_around_code(text: str) -> str:
    """Return text that Markdown shows as it is but for its back-ticked parts, which stay code."""
    parts = text.split("`")
    return "".join(f"`{part}`" if index % 2 else escape(part) for index, part in enumerate(parts))


def code(text: str) -> str:
    """Return text as a code span that may stand in a table: pipes escaped, fenced by more back-ticks than it holds."""
    flat = " ".join(text.split()).replace("|", "\\|")
    fence = "`" * (1 + max((len(ticks) for ticks in re.findall("`+", flat)), default=0))
    pad = " " if "`" in flat else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def display_width(text: str) -> int:
    """Return how many columns of a terminal a text takes: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def pad_to(text: str, width: int, right: bool) -> str:
    """Return text padded to a width in terminal columns, set to the right or left."""
    space = " " * (width - display_width(text))
    return space + text if right else text + space


def markdown_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], right: Container[int] = (), *, aligned: bool = False
) -> str:
    """Return a Markdown table of texts that are escaped already; the columns `right` are set to the right.

    `aligned` pads the columns so that the table also reads well in a terminal.
    """
    sides = [column in right for column in range(len(headings))]
    if not aligned:
        return table_lines(headings, ["---:" if side else "---" for side in sides], rows)
    widths = [max(NARROWEST, *(display_width(line[i]) for line in (headings, *rows))) for i in range(len(headings))]
    rule = ["-" * (width - 1) + ":" if side else "-" * width for width, side in zip(widths, sides, strict=True)]
    padded = [[pad_to(*item) for item in zip(line, widths, sides, strict=True)] for line in (headings, *rows)]
    return table_lines(padded[0], rule, padded[1:])


def table_lines(headings: Sequence[str], rule: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the lines of a Markdown table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, rule, *rows))
