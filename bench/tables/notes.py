"""Footnotes: how a row's recipe differs from the others', and which rows are one network."""

from collections.abc import Mapping, Sequence

from bench.analysis.cells import Phrase
from bench.analysis.run_groups import FACETS, RANKED_TOGETHER, RunGroup, network_groups

Common = Mapping[str, str]


def facet_note(name: str, value: str, usual: str) -> Phrase:
    """Return the footnote on one facet that differs from the usual; of algorithms, what was added or left out."""
    if name != "algorithms":
        return Phrase("{}: {}", (Phrase(name), value))
    ours, theirs = (set(text.split(", ")) - {"none"} for text in (value, usual))
    added, left_out = ", ".join(sorted(ours - theirs)), ", ".join(sorted(theirs - ours))
    if added and left_out:
        return Phrase("with {}, without {}", (added, left_out))
    return Phrase("with {}", (added,)) if added else Phrase("without {}", (left_out,))


def joined(parts: Sequence[Phrase]) -> Phrase:
    """Return phrases as one, parted by semicolons."""
    return Phrase("; ".join(["{}"] * len(parts)), tuple(parts))


def recipe_notes(run_group: RunGroup, common: Common, ignore: Sequence[str] = ()) -> tuple[Phrase, ...]:
    """Return one footnote on all facets in which a run group differs from the common recipe, or none."""
    different = [name for name in FACETS if name not in ignore and run_group.facets[name] != common[name]]
    parts = [facet_note(name, run_group.facets[name], common[name]) for name in different]
    return (joined(parts),) if parts else ()


def network_notes(run_groups: Sequence[RunGroup]) -> dict[tuple[str, ...], tuple[Phrase, ...]]:
    """Return, by a run group's runs, a footnote that names all labels of its network under the same recipe."""
    notes: dict[tuple[str, ...], tuple[Phrase, ...]] = {}
    for group in network_groups(run_groups):
        labels = list(dict.fromkeys(run_group.label for run_group in group))
        for run_group in group if len(labels) > 1 else []:
            notes[run_group.runs] = (Phrase("the same network and recipe under the names {}", (", ".join(labels),)),)
    return notes


def common_recipe(common: Common, ignore: Sequence[str] = ()) -> Phrase:
    """Return the line that tells the recipe of every row that has no footnote on it."""
    parts = [Phrase("{}: {}", (Phrase(name), common[name])) for name in FACETS if name not in ignore]
    return Phrase("Recipe unless noted: {}", (joined(parts),))


def block_heading(values: Sequence[str], names: Sequence[str] = RANKED_TOGETHER) -> Phrase:
    """Return the heading of a block: what its rows have in common."""
    parts = [Phrase("{}: {}", (Phrase(name), value)) for name, value in zip(names, values, strict=True)]
    return joined(parts)
