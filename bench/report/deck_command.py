"""`python -m bench.report deck`: write the presentation anew from run records."""

import argparse
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.analysis.sources import choose_source, read_records
from bench.environment import provenance
from bench.report.arguments import report_parser
from bench.report.deck.slides import Deck, Picture
from bench.util.cli import OK
from bench.util.files import write_atomically, writing

OUT = "reports/deck/deck.LANG.FORMAT"


def write_md(deck: Deck) -> dict[str, bytes]:
    """Return the files of a deck in Markdown: the text and its pictures."""
    from bench.report.deck.write_md import render_markdown

    pictures = (part for slide in deck.slides for part in slide.parts if isinstance(part, Picture))
    return {MAIN: render_markdown(deck).encode(), **{p.name: p.content for p in pictures}}


def write_html(deck: Deck) -> dict[str, bytes]:
    """Return a deck in HTML, which has its pictures in it."""
    from bench.report.deck.write_html import render_html

    return {MAIN: render_html(deck).encode()}


def write_pptx(deck: Deck) -> dict[str, bytes]:
    """Return a deck for presentation programs."""
    from bench.report.deck.write_pptx import render_pptx

    return {MAIN: render_pptx(deck)}


# The name of the deck itself among the files that a writer returns; the others are its pictures.
MAIN = ""
# Format → its writer, and the format of its pictures.
FORMATS: dict[str, tuple[Callable[[Deck], Mapping[str, bytes]], str]] = {
    "md": (write_md, "svg"),
    "html": (write_html, "svg"),
    "pptx": (write_pptx, "png"),
}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    summary = "Write the 2025 presentation anew, slide by slide, from run records; what no run has is shown as missing."
    parser = report_parser("deck", summary, "--lang zh --format md --claims", "the slides", default="zh")
    parser.add_argument("--format", choices=FORMATS, default="md", help="default: md")
    parser.add_argument("--claims", action="store_true", help="put the deck's own figures beside ours")
    parser.add_argument("--allow-mixed", action="store_true", help="compare rows of different steps, batch, data too")
    parser.add_argument("--about", type=Path, metavar="YAML", help="title, team, presenter, date, school, thanks")
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"pictures stand beside it (default: {OUT})")
    return parser


def main(words: Sequence[str]) -> int:
    """Write the deck and say where; raise BadInput for what cannot be read or written."""
    from bench.report.deck.about import About, read_about  # imported here: help needs neither records nor figures
    from bench.report.deck.build import build_deck
    from bench.report.deck.material import Material

    arguments = build_parser().parse_args(words)
    about = read_about(arguments.about) if arguments.about else About()
    write, form = FORMATS[arguments.format]
    records, where = read_records(arguments), arguments.wandb or str(arguments.runs)
    source = choose_source(records, arguments)
    material = Material(
        records,
        source,
        where,
        arguments.lang,
        about,
        beside=arguments.claims,
        mixed=arguments.allow_mixed,
        ablations=arguments.ablations,
        form=form,
    )
    deck = build_deck(material, provenance(f"python -m bench.report deck {shlex.join(words)}".strip(), source.runs))
    out = arguments.out or Path(f"reports/deck/deck.{arguments.lang}.{arguments.format}")
    save(write(deck), out)
    print(f"wrote {out}: {source.runs} runs")
    return OK


def save(files: Mapping[str, bytes], out: Path) -> None:
    """Write the deck and its pictures beside it; raise BadInput where they cannot be written."""
    with writing(f"--out {out}:"):
        out.parent.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomically(out if name == MAIN else out.with_name(name), content)
