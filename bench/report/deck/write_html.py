"""The deck as slides in one HTML file that asks the network for nothing and needs no script."""

import base64
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from bench.analysis.cells import Phrase
from bench.report.deck.slides import Deck, Grid, Line, Part, Picture, Slide, cell_sources, numbered_sources
from bench.report.page import FOLDER, TEMPLATES, digest
from bench.report.text import translate
from bench.tables.render_html import LANGUAGE_TAGS, environment


def render_html(deck: Deck) -> str:
    """Return the whole deck; what a record holds is escaped by the template, and the page's policy runs nothing."""
    style = (FOLDER / "assets" / "deck.css").read_text(encoding="utf-8")
    return (
        environment(TEMPLATES)
        .get_template("deck.html")
        .render(
            language=LANGUAGE_TAGS[deck.language],
            title=deck.title,
            # It stands in a comment, which nothing in it must end.
            origin=Markup(deck.origin.replace("--", "- -")),
            policy=f"default-src 'none'; img-src data:; style-src '{digest(style)}'",
            style=Markup(style),
            sources=translate(Phrase("Sources"), deck.language),
            slides=[slide_data(slide) for slide in deck.slides],
        )
    )


def slide_data(slide: Slide) -> dict[str, Any]:
    """Return a slide as the template shows it."""
    numbers = numbered_sources(slide)
    return {
        "number": slide.number,
        "title": slide.title,
        "time": slide.time,
        "parts": [part_data(part, numbers) for part in slide.parts],
        "sources": [{"number": number, "text": text} for text, number in numbers.items()],
    }


def part_data(part: Part, numbers: dict[str, int]) -> dict[str, Any]:
    """Return a part of a slide as the template shows it."""
    cited = [numbers[source] for source in part.sources]
    if isinstance(part, Line):
        return {"what": "line", "kind": part.kind, "words": part.words, "command": part.command, "cited": cited}
    if isinstance(part, Picture):
        content = base64.b64encode(part.content).decode()
        return {"what": "picture", "title": part.title, "content": content, "cited": cited}
    return {
        "what": "grid",
        "title": part.title,
        "headings": list(zip(part.headings, part.left, strict=True)),
        "rows": [row_data(part, row, numbers) for row in part.rows],
        "footnotes": part.footnotes,
        "cited": cited,
    }


def row_data(grid: Grid, row: Sequence[Any], numbers: dict[str, int]) -> list[dict[str, Any]]:
    """Return a row of a table as the template shows it."""
    return [
        {"text": entry.words, "left": left, "cited": [numbers[source] for source in sources]}
        for entry, left, sources in zip(row, grid.left, cell_sources(row, grid.left), strict=True)
    ]
