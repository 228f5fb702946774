"""`python -m bench.report deck`: write the presentation anew from runs."""

import argparse
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.analysis.sources import add_arguments, choose_source, read_records
from bench.environment import provenance
from bench.report.contents import Contents
from bench.tables.text import LANGUAGES
from bench.util.cli import OK, make_parser
from bench.util.files import write_output

FORMATS = ("md", "html")
OUT = "reports/deck/deck.LANG.FORMAT"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser(
        "bench.report deck",
        "Write the presentation anew from run records, slide by slide; what no run has shows as missing.",
        "python -m bench.report deck --runs reports/runs --lang zh --format html",
    )
    add_arguments(parser)
    parser.add_argument("--lang", choices=LANGUAGES, default="zh", help="language of the slides (default: zh)")
    parser.add_argument("--format", choices=FORMATS, default="md", help="outline or slides (default: md)")
    parser.add_argument("--team", type=Path, metavar="YAML", help="subtitle, team, presenter, date, school, …")
    parser.add_argument("--claims", action="store_true", help="put the deck's own figures beside ours")
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"default: {OUT}")
    return parser


def main(words: Sequence[str]) -> int:
    """Write the presentation and say where; raise BadInput for what cannot be read or written."""
    # Imported here: help needs neither templates nor figures.
    from bench.report.claims import check_claims
    from bench.report.deck.render import to_html, to_markdown
    from bench.report.deck.slide import Deck, Slide
    from bench.report.deck.slides import make_slides
    from bench.report.deck.team import read_team

    arguments = build_parser().parse_args(words)
    out = arguments.out or Path(f"reports/deck/deck.{arguments.lang}.{arguments.format}")
    team, records = read_team(arguments.team), read_records(arguments)
    source = choose_source(records, arguments)
    contents = Contents(source, arguments.lang, arguments.ablations)
    deck = Deck(contents, check_claims(records)[0], team, arguments.claims)
    head = provenance(f"python -m bench.report deck {shlex.join(words)}".strip(), source.runs)
    renders: dict[str, Callable[[Deck, Sequence[Slide], str], str]] = {"md": to_markdown, "html": to_html}
    write_output(out, renders[arguments.format](deck, make_slides(deck), head))
    print(f"wrote {out}: {source.runs} runs")
    return OK
