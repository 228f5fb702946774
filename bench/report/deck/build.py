"""The deck as one list of slides, each with its title, its seconds and the function that fills it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.report.deck import appendix, findings, opening, results
from bench.report.deck.material import Material
from bench.report.deck.slides import Deck, Part, Slide


class Planned(NamedTuple):
    """One slide of the outline."""

    number: str
    title: str
    seconds: int | None
    fill: Callable[[Material], Sequence[Part]]


SLIDES = (
    Planned("1", "", 30, opening.title_page),
    Planned("2", "Project and goals", 60, opening.overview),
    Planned("3", "Related work: ten methods", 90, opening.methods),
    Planned("4", "Method: one framework for all", 60, opening.framework),
    Planned("5", "Results: accuracy", 120, results.accuracy),
    Planned("6", "Efficiency and parameters", 60, results.efficiency),
    Planned("7", "Training", 60, results.training),
    Planned("8", "Ablations: what they show", 120, findings.ablations),
    Planned("9", "Findings", 60, findings.insights),
    Planned("10", "Contributions", 60, findings.design),
    Planned("11", "Thanks", 30, findings.thanks),
    Planned("12", "Future work", 30, findings.outlook),
    Planned("A1", "Appendix: the first ten", None, appendix.first_ten),
    Planned("A2", "Appendix: Ghost ratio", None, appendix.ghost),
    Planned("A3", "Appendix: components", None, appendix.components),
    Planned("A4", "Appendix: more training curves", None, appendix.more_curves),
)


def build_deck(material: Material, origin: str) -> Deck:
    """Return the slides; `origin` is the line that says what made them."""
    title = opening.deck_title(material)
    slides = [
        Slide(
            planned.number,
            material.say(planned.title) if planned.title else title,
            material.say("Slide {} · {} s" if planned.seconds else "Slide {}", planned.number, planned.seconds),
            planned.fill(material),
        )
        for planned in SLIDES
    ]
    return Deck(title, material.language, origin, slides)
