"""HTML tables in one page that needs nothing else; a cell's tooltip names the runs behind it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.tables.page import Page

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).resolve().parent / "templates"
LANGUAGE_TAGS = {"en": "en", "zh": "zh-Hans"}
MAX_RUNS = 50


def tooltip(runs: Sequence[str]) -> str:
    """Return the runs behind a cell, one a line, the first 50 of them."""
    more = [f"… ({len(runs)})"] if len(runs) > MAX_RUNS else []
    return "\n".join([*runs[:MAX_RUNS], *more])


def environment(*folders: Path) -> "Environment":
    """Return what renders templates of the folders, and those of tables.

    It escapes all that is not marked as markup, and fails for what is missing.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # imported here: the other formats need none

    return Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_html(pages: Sequence[Page]) -> str:
    """Return pages as one HTML document; everything is escaped."""
    language = LANGUAGE_TAGS[pages[0].language if pages else "en"]
    template = environment().get_template("tables.html")
    return template.render(pages=pages, language=language, tooltip=tooltip) + "\n"
