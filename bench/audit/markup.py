"""Escaping and tables in Markdown and CSV: names and texts from files must not become markup or formulas."""

import re
from collections.abc import Container, Sequence

SPACE = re.compile(r"\s+")
SPECIAL = re.compile(r"([\\|*\[\]~])")
# Underscores inside a word are no emphasis, and names are full of them.
EDGE_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.IGNORECASE)


def prose(text: str, *, keep_code: bool = False) -> str:
    """Return text that Markdown shows as it is; `keep_code` leaves back-ticked parts alone."""
    if keep_code:
        parts = text.split("`")
        return "".join(f"`{part}`" if index % 2 else prose(part) for index, part in enumerate(parts))
    flat = SPACE.sub(" ", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return EDGE_UNDERSCORE.sub(r"\\_", SPECIAL.sub(r"\\\1", flat)).replace("`", "\\`")


def cell(text: str) -> str:
    """Return text for a cell of a Markdown table."""
    return prose(text)


def code(text: str) -> str:
    """Return text as a code span that may stand in a table: pipes escaped, fenced by more back-ticks than it holds."""
    flat = " ".join(text.split()).replace("|", "\\|")
    fence = "`" * (1 + max((len(ticks) for ticks in re.findall("`+", flat)), default=0))
    pad = " " if "`" in flat else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def table_of(header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Container[int] = ()) -> str:
    """Return a Markdown table of cells that are escaped already; numeric columns are set to the right."""
    rule = ["---:" if column in numeric else "---" for column in range(len(header))]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *rows])


def csv_cell(text: str) -> str:
    """Return text that a spreadsheet does not take for a formula: a number stays, other leading signs are quoted."""
    return f"'{text}" if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text
