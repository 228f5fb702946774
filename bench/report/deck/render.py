"""Slides as a Markdown outline, and as slides of one HTML file."""

from collections.abc import Sequence

from markupsafe import Markup

from bench.report.deck.slide import Deck, Slide
from bench.report.page import FOLDER, LANGUAGE_TAGS, digest, environment
from bench.tables.page import Page
from bench.util.markdown import escape, escape_around_code, markdown_table

STYLES = ("page.css", "slides.css")


def to_markdown(deck: Deck, slides: Sequence[Slide], provenance: str) -> str:
    """Return the slides as a Markdown outline; figures are in the HTML slides alone."""
    parts = [f"<!-- {provenance} -->"]
    for number, slide in enumerate(slides, start=1):
        parts.append(f"## {number}. {escape(slide.title)}")
        if slide.lines:
            parts.append("\n".join(f"- {escape_around_code(line)}" for line in slide.lines))
        parts += [table_markdown(table) for table in slide.tables]
        if slide.notes:
            notes = " ".join(escape_around_code(note) for note in slide.notes)
            parts.append(f"> {escape(deck.say('Notes'))}: {notes}")
    return "\n\n".join(parts) + "\n"


def table_markdown(page: Page) -> str:
    """Return a table with what its rows share above it and its footnotes below."""
    parts = []
    for section in page.sections:
        rows = [[escape(marked_text(entry.text, entry.marks)) for entry in row] for row in section.rows]
        right = [place for place, left in enumerate(page.left) if not left]
        heading = [f"**{escape(section.heading)}**"] if section.heading else []
        parts += [*heading, markdown_table([escape(text) for text in page.headings], rows, right)]
    notes = [f"- ({letter}) {escape(text)}" for letter, text in page.footnotes]
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])])


def marked_text(text: str, marks: Sequence[str]) -> str:
    """Return a cell's text with the letters of its footnotes."""
    return f"{text} ({', '.join(marks)})" if marks else text


def to_html(deck: Deck, slides: Sequence[Slide], provenance: str) -> str:
    """Return the slides as one HTML file without a script, one a page when it is printed."""
    style = "\n".join((FOLDER / "assets" / name).read_text(encoding="utf-8") for name in STYLES)
    return (
        environment()
        .get_template("deck.html")
        .render(
            t=deck.say,
            language=LANGUAGE_TAGS[deck.contents.language],
            provenance=provenance,
            style=Markup(style),
            digest=digest(style),
            title=slides[0].title,
            slides=[(slide, [Markup(figure.svg) for figure in slide.figures]) for slide in slides],
        )
    )
