"""Markdown tables, aligned so that they also read well in a terminal."""

from bench.tables.page import Entry, Page
from bench.util.markdown import escape, markdown_table


def entry_text(entry: Entry) -> str:
    """Return an entry with its marks."""
    text = entry.text if entry.is_number else escape(entry.text)
    return f"{text} ({', '.join(entry.marks)})" if entry.marks else text


def render_markdown(page: Page) -> str:
    """Return a page as Markdown: a table for each block, footnotes and notes below."""
    headings = [escape(heading) for heading in page.headings]
    right = [column for column, left in enumerate(page.left) if not left]
    parts = [f"## {escape(page.title)}"]
    for section in page.sections:
        parts += [f"**{escape(section.heading)}**"] if section.heading else []
        rows = [[entry_text(entry) for entry in row] for row in section.rows]
        parts.append(markdown_table(headings, rows, right, aligned=True))
    footnotes = [f"- ({letter}) {escape(text)}" for letter, text in page.footnotes]
    parts += ["\n".join([*footnotes, *(f"- {escape(note)}" for note in page.notes)])]
    return "\n\n".join(part for part in parts if part) + "\n"
