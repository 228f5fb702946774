"""The deck as Markdown: a section for each slide, its sources as footnotes, its pictures as files beside it."""

from collections.abc import Mapping, Sequence
from functools import partial

from bench.report.deck.slides import Deck, Grid, Line, Part, Picture, Slide, cell_sources, numbered_sources
from bench.util.markdown import code, escape, markdown_table

STYLES = {"plain": "- {}", "heading": "**{}**", "missing": "- ⚠ {}", "correction": "- ✗ {}", "small": "- *{}*"}
# Markdown needs an empty line between a list and what follows it.
FIRST = "1"
LISTED = ("plain", "missing", "correction", "small")


def render_markdown(deck: Deck) -> str:
    """Return the whole deck."""
    slides = (slide_text(slide) for slide in deck.slides)
    return "\n\n".join([f"<!-- {deck.origin} -->", *slides]) + "\n"


def slide_text(slide: Slide) -> str:
    """Return one slide with its footnotes."""
    numbers = numbered_sources(slide)
    label = partial(marks, numbers, slide.number)
    level = "#" if slide.number == FIRST else "##"
    parts = [f"{level} {escape(slide.title)}", f"<!-- {slide.time} -->"]
    for kind, text in ((kind_of(part), part_text(part, label)) for part in slide.parts):
        listed = kind in LISTED and parts[-1].startswith("- ")
        parts[-1:] = [f"{parts[-1]}\n{text}"] if listed else [parts[-1], text]
    notes = [f"[^{slide.number}-{number}]: {escape(source)}" for source, number in numbers.items()]
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])])


def kind_of(part: Part) -> str:
    """Return what kind of line a part is, nothing for others."""
    return part.kind if isinstance(part, Line) else ""


def marks(numbers: Mapping[str, int], slide: str, sources: Sequence[str]) -> str:
    """Return the marks of the footnotes of some sources."""
    return "".join(f"[^{slide}-{numbers[source]}]" for source in sources)


def part_text(part: Part, label: "partial[str]") -> str:
    """Return one part of a slide."""
    if isinstance(part, Line):
        command = f" {code(part.command)}" if part.command else ""
        return STYLES[part.kind].format(f"{escape(part.words)}{label(part.sources)}") + command
    if isinstance(part, Picture):
        return f"![{escape(part.title)}]({part.name}){label(part.sources)}"
    return grid_text(part, label)


def grid_text(grid: Grid, label: "partial[str]") -> str:
    """Return a table with its title and its footnotes."""
    right = [place for place, left in enumerate(grid.left) if not left]
    rows = [
        [f"{escape(e.words)}{label(sources)}" for e, sources in zip(row, cell_sources(row, grid.left), strict=True)]
        for row in grid.rows
    ]
    headings = [escape(heading) for heading in grid.headings]
    notes = "\n".join(f"- {escape(note)}" for note in grid.footnotes)
    title = f"**{escape(grid.title)}**{label(grid.sources)}"
    return "\n\n".join([title, markdown_table(headings, rows, right), *([notes] if notes else [])])
