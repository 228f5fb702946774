"""Markdown tables, aligned so that they also read well in a terminal."""

from bench.tables.page import Entry, Page
from bench.util.markdown import escape, markdown_table


def entry_text(entry: Entry) -> str:
    """Return an entry with its marks."""
    text = entry.text if entry.is_number else escape(entry.text)
    return f"{text} ({', '.join(entry.marks)})" if entry.marks else text


def render_markdown(page: Page) -> str:
    """Return a page as Markdown: a table for each block, footnotes and notes below."""
    return "\n\n".join([f"## {escape(page.title)}", *table_parts(page)]) + "\n"


def table_parts(page: Page) -> list[str]:
    """Return a page's tables, each below the heading of its block, then its footnotes and notes."""
    headings = [escape(heading) for heading in page.headings]
    right = [column for column, left in enumerate(page.left) if not left]
    parts = []
    for section in page.sections:
        parts += [f"**{escape(section.heading)}**"] if section.heading else []
        rows = [[entry_text(entry) for entry in row] for row in section.rows]
        parts.append(markdown_table(headings, rows, right, aligned=True))
    footnotes = [f"- ({letter}) {escape(text)}" for letter, text in page.footnotes]
    notes = [*footnotes, *(f"- {escape(note)}" for note in page.notes)]
    return [*parts, *(["\n".join(notes)] if notes else [])]
