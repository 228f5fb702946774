"""How healthy finished full-length runs look: the words of a column, and the footnote that says by which band."""

from collections import Counter
from collections.abc import Sequence

from bench.analysis.cells import Cell, Phrase, missing
from bench.analysis.health import FULL_LENGTH, Band, Mark, check_health, find_band
from bench.analysis.own_bands import own_bands
from bench.analysis.run_groups import RunGroup

NO_WORDS = Cell(text=Phrase(""))
OWN_BAND = "health: not judged, because the band was made of these runs"
# Worst first: what needs a look is said first.
MARKS: tuple[Mark, ...] = ("suspicious", "low", "healthy")


def marks_of(run_group: RunGroup) -> Counter[Mark]:
    """Return how many of a run group's runs have which mark; those that are not marked are not counted."""
    marks = (check_health(record).mark for record in run_group.records)
    return Counter(mark for mark in marks if mark in MARKS)


def has_mark(run_groups: Sequence[RunGroup]) -> bool:
    """Tell whether any run of some run groups is marked."""
    return any(map(marks_of, run_groups))


def health_cell(run_group: RunGroup) -> Cell:
    """Return the mark of a run group's runs, with their number where it is not that of all; empty without a band."""
    if find_band(run_group.spec) is None:
        return NO_WORDS
    counts = marks_of(run_group)
    found = [(mark, counts[mark]) for mark in MARKS if counts[mark]]
    if not found:
        return missing(OWN_BAND)
    if counts[found[0][0]] == len(run_group.records):
        return Cell(text=Phrase(found[0][0]))
    parts = tuple(Phrase("{} {}", (number, Phrase(mark))) for mark, number in found)
    return Cell(text=Phrase(", ".join(["{}"] * len(parts)), parts), runs=run_group.runs)


def health_notes(run_group: RunGroup) -> tuple[Phrase, ...]:
    """Return the footnote on the band that a run group's runs are marked by, none where none is marked."""
    band = find_band(run_group.spec)
    return (band_note(band),) if band and marks_of(run_group) else ()


def band_note(band: Band) -> Phrase:
    """Return a band in words: what is usual, what is suspicious, and where that comes from.

    Bands of our own records are told for all networks of a recipe at once: each has one, from the same spread.
    """
    if band.recipe not in FULL_LENGTH:
        spread = own_bands()[band.recipe]
        return Phrase(
            "health: by the 95 % prediction interval of our records of the same network under the {} recipe "
            "(seed sd {:.2f}, df {}); suspicious at twice its width",
            (Phrase(band.recipe), spread["sd"], spread["df"]),
        )
    usual = (f"{band.low:g}–{band.high:g}", Phrase(band.recipe))
    limits = [
        Phrase("{} {:g}", (Phrase(word), limit))
        for word, limit in (("below", band.suspicious_below), ("above", band.suspicious_above))
        if limit is not None
    ]
    if not limits:
        return Phrase("health: usual top-1 {} under the {} recipe; source: {}", (*usual, Phrase(band.source)))
    beyond = Phrase(", ".join(["{}"] * len(limits)), tuple(limits))
    return Phrase(
        "health: usual top-1 {} under the {} recipe, suspicious {}; source: {}", (*usual, beyond, Phrase(band.source))
    )
