"""Build a deck of run records for tests."""

from pathlib import Path
from typing import Any

from bench.analysis.sources import make_source
from bench.records import read_runs
from bench.report.deck.build import build_deck
from bench.report.deck.material import Material
from bench.report.deck.slides import Deck, Entry, Grid, Line
from tests.conftest import REPOSITORY

COMMITTED = REPOSITORY / "reports" / "runs"


def material_of(runs: Path, language: str = "en", experiment: str | None = None, **rest: Any) -> Material:
    """Return what the deck of a runs folder is made of."""
    records = read_runs(runs)
    return Material(records, make_source(records, str(runs), experiment and [experiment]), str(runs), language, **rest)


def deck_of(runs: Path, language: str = "en", **rest: Any) -> Deck:
    """Return the deck of a runs folder."""
    return build_deck(material_of(runs, language, **rest), "a test")


def committed_deck(language: str = "en", **rest: Any) -> Deck:
    """Return the deck of one committed experiment: small networks and the arms of their ablations, by 10 epochs."""
    return deck_of(COMMITTED, language, experiment="small_10ep", **rest)


def grids(deck: Deck, number: str) -> list[Grid]:
    """Return the tables of a slide."""
    return [part for slide in deck.slides if slide.number == number for part in slide.parts if isinstance(part, Grid)]


def lines(deck: Deck, number: str = "") -> list[Line]:
    """Return the lines of a slide, or of all slides."""
    slides = [slide for slide in deck.slides if number in ("", slide.number)]
    return [part for slide in slides for part in slide.parts if isinstance(part, Line)]


def by_name(grid: Grid) -> dict[str, dict[str, Entry]]:
    """Return the rows of a table by the text of their first cell of words, cells by their heading.

    A second column of the same heading (the deck's figures) is called after the one before it: "Deck Top-1 (%)".
    """
    place = list(grid.left).index(True)
    names = [
        f"{heading} {before}" if heading in ("Deck", "原文稿") else heading
        for before, heading in zip(["", *grid.headings], grid.headings, strict=False)
    ]
    return {row[place].text: dict(zip(names, row, strict=True)) for row in grid.rows}
