"""Slides as a Markdown outline, and as slides of one HTML file."""

from collections.abc import Sequence

from markupsafe import Markup

from bench.report.deck.slide import Deck, Slide
from bench.report.page import FOLDER, TEMPLATES, digest
from bench.tables.render_html import LANGUAGE_TAGS, environment
from bench.tables.render_md import table_parts
from bench.util.markdown import escape, escape_around_code

STYLES = ("page.css", "slides.css")


def to_markdown(deck: Deck, slides: Sequence[Slide], provenance: str) -> str:
    """Return the slides as a Markdown outline; figures are in the HTML slides alone."""
    parts = [f"<!-- {provenance} -->"]
    for number, slide in enumerate(slides, start=1):
        parts.append(f"## {number}. {escape(slide.title)}")
        if slide.lines:
            parts.append("\n".join(f"- {escape_around_code(line)}" for line in slide.lines))
        parts += [part for table in slide.tables for part in table_parts(table)]
        if slide.notes:
            notes = " ".join(escape_around_code(note) for note in slide.notes)
            parts.append(f"> {escape(deck.say('Notes'))}: {notes}")
    return "\n\n".join(parts) + "\n"


def to_html(deck: Deck, slides: Sequence[Slide], provenance: str) -> str:
    """Return the slides as one HTML file without a script, one a page when it is printed."""
    style = "\n".join((FOLDER / "assets" / name).read_text(encoding="utf-8") for name in STYLES)
    template = environment(TEMPLATES).get_template("deck.html")
    return template.render(
        t=deck.say,
        language=LANGUAGE_TAGS[deck.contents.language],
        provenance=provenance,
        style=Markup(style),
        digests={"style": digest(style)},
        title=slides[0].title,
        slides=[(slide, [Markup(figure.svg) for figure in slide.figures]) for slide in slides],
    )
