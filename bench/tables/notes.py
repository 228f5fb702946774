"""Footnotes: how a row's recipe differs from the others', and which rows are one network."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.analysis.cells import Phrase, joined
from bench.analysis.recipe import DEFAULT, RANKED_TOGETHER, RECIPE_FIELDS
from bench.analysis.run_groups import RunGroup, network_groups

Common = Mapping[str, str]
# A row is named by its model.
NAMES_THE_ROW = "model"
PRECISION = "precision"


def field_note(name: str, value: str, usual: str) -> Phrase:
    """Return the footnote on a field that differs from the common recipe; of algorithms, what was added or left out."""
    if name != "algorithms":
        return Phrase("{}: {}", (Phrase(name), value))
    ours, theirs = (set(text.split(", ")) - {"none"} for text in (value, usual))
    added, left_out = ", ".join(sorted(ours - theirs)), ", ".join(sorted(theirs - ours))
    if added and left_out:
        return Phrase("with {}, without {}", (added, left_out))
    return Phrase("with {}", (added,)) if added else Phrase("without {}", (left_out,))


def recipe_notes(run_group: RunGroup, common: Common, ignore: Sequence[str] = ()) -> tuple[Phrase, ...]:
    """Return one footnote on all recipe fields in which a run group differs from the common recipe, or none.

    The precision is one of them also where the group's own seeds differ in it.
    """
    fields, unsaid = run_group.recipe_fields, {NAMES_THE_ROW, *ignore}
    mixed = {PRECISION} if differs_in_precision([run_group]) else set()
    differs = [name for name in RECIPE_FIELDS if fields[name] != common[name] or name in mixed]
    parts = [field_note(name, fields[name], common[name]) for name in differs if name not in unsaid]
    return (joined(parts),) if parts else ()


def differs_in_precision(run_groups: Iterable[RunGroup]) -> bool:
    """Tell whether the runs of some groups were computed in several precisions."""
    return len({precision for run_group in run_groups for precision in run_group.precisions.values()}) > 1


def precision_notes(run_groups: Sequence[RunGroup], among: Sequence[RunGroup] = ()) -> tuple[Phrase, ...]:
    """Return the footnote on the precision of a row, if its runs or those `among` which it is shown differ in it."""
    if not differs_in_precision([*run_groups, *among]):
        return ()
    texts = dict.fromkeys(run_group.recipe_fields[PRECISION] for run_group in run_groups)
    return (Phrase("{}: {}", (Phrase(PRECISION), "; ".join(texts))),)


def change_notes(run_groups: Iterable[RunGroup]) -> tuple[Phrase, ...]:
    """Return the footnote on runs that went on by another engine or number of processes, if there are any."""
    parts = [
        Phrase(
            "seed {} computed by {} until step {}, then by {}",
            (str(record.seed), computed_by(change["before"]), str(change["step"]), computed_by(change["after"])),
        )
        for run_group in run_groups
        for record in run_group.records
        for change in record.changes
    ]
    return (joined(parts),) if parts else ()


def computed_by(side: Mapping[str, Any]) -> Phrase:
    """Return what computed a run: its engine and processes, and the parts of a batch where those are more."""
    engine, processes, parts = (str(side[key]) for key in ("engine", "world_size", "batch_parts"))
    if parts == processes:
        return Phrase("{} (processes: {})", (engine, processes))
    return Phrase("{} (processes: {}, parts of a batch: {})", (engine, processes, parts))


def network_notes(run_groups: Sequence[RunGroup]) -> dict[tuple[str, ...], tuple[Phrase, ...]]:
    """Return, by a run group's runs, a footnote that names all labels of its network under the same recipe."""
    notes: dict[tuple[str, ...], tuple[Phrase, ...]] = {}
    for group in network_groups(run_groups):
        labels = list(dict.fromkeys(run_group.label for run_group in group))
        for run_group in group if len(labels) > 1 else []:
            notes[run_group.runs] = (Phrase("the same network and recipe under the names {}", (", ".join(labels),)),)
    return notes


def recipe_line(common: Common, ignore: Sequence[str] = ()) -> Phrase:
    """Return the line that tells the recipe of every row that has no footnote on it."""
    shown = [name for name in RECIPE_FIELDS if name not in {NAMES_THE_ROW, *ignore} and common[name] != DEFAULT]
    parts = [Phrase("{}: {}", (Phrase(name), common[name])) for name in shown]
    return Phrase("Recipe unless noted: {}", (joined(parts),))


def block_heading(values: Sequence[str], names: Sequence[str] = RANKED_TOGETHER) -> Phrase:
    """Return the heading of a block: what its rows have in common, apart from fields that say nothing."""
    said = [(name, value) for name, value in zip(names, values, strict=True) if value != DEFAULT]
    parts = [Phrase("{}: {}", (Phrase(name), value)) for name, value in said]
    return joined(parts)
