"""What the page is made of: the runs, the table that orders them, and the numbers by which the page names them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from pathlib import Path

from bench.analysis.ablations import ABLATIONS, ablation_names
from bench.analysis.cells import Block, Phrase, Row, Table
from bench.analysis.recipe import RECIPE_FIELDS, field_words
from bench.analysis.run_groups import RunGroup, blocks_of, common_recipe
from bench.analysis.sources import Source
from bench.report.text import translate
from bench.tables.ablations import ablation_builder
from bench.tables.comparison import comparison
from bench.tables.contrasts import compared
from bench.tables.measures import Options

# Rows of one label are told apart by at most so many recipe fields, in at most so many letters.
MAX_FIELDS, MAX_LETTERS = 3, 60


@dataclass(frozen=True)
class Contents:
    """The run groups and what is left out of them, the folder of ablations, the language."""

    source: Source
    language: str = "en"
    ablations: Path = ABLATIONS

    def say(self, words: Phrase | str, *values: object) -> str:
        """Return words in the page's language."""
        return translate(words if isinstance(words, Phrase) else Phrase(words, values), self.language)

    @cached_property
    def table(self) -> Table:
        """Return the comparison of models, as `bench.tables` makes it."""
        table = comparison(self.source.run_groups, Options())
        return replace(table, notes=(*table.notes, *self.source.noise, *self.source.notes()))

    @cached_property
    def rows(self) -> list[tuple[Block, Row, RunGroup]]:
        """Return the table's rows with the run groups that they show."""
        by_runs = {run_group.runs: run_group for run_group in self.source.run_groups}
        return [(block, row, by_runs[row.cells["n"].runs]) for block in self.table.blocks for row in block.rows]

    @cached_property
    def run_groups(self) -> list[RunGroup]:
        """Return the run groups in the order of the table; their places are their numbers on the page."""
        return [run_group for _, _, run_group in self.rows]

    @cached_property
    def numbers(self) -> Mapping[tuple[str, ...], int]:
        """Return the number of each run group by its runs."""
        return {run_group.runs: place for place, run_group in enumerate(self.run_groups)}

    @cached_property
    def run_numbers(self) -> Mapping[str, int]:
        """Return the number of each run by its id, in the order of the table."""
        shown = (record.run_id for group in self.run_groups for record in group.shown_records)
        return {run: place for place, run in enumerate(shown)}

    @cached_property
    def names(self) -> list[str]:
        """Return a name for each run group that tells it from all others of the page."""
        return list(told_apart(self.run_groups).values())

    def name(self, run_group: RunGroup) -> str:
        """Return the name of a run group on the page."""
        return self.names[self.numbers[run_group.runs]]

    def blocks(self, fields: Sequence[str]) -> dict[tuple[str, ...], list[RunGroup]]:
        """Return the run groups in the order of the table, by their values of some recipe fields."""
        return blocks_of(self.run_groups, fields)

    @cached_property
    def ablation_tables(self) -> list[Table]:
        """Return the tables of the ablations of which some arm can be compared with its base."""
        builders = [ablation_builder(path) for path in ablation_names(self.ablations).values()]
        tables = [build(self.source.run_groups, Options()) for build in builders]
        return [table for table in tables if any(compared(row) for block in table.blocks for row in block.rows)]


def told_apart(run_groups: Sequence[RunGroup]) -> dict[tuple[str, ...], str]:
    """Return runs → name of each run group: its label, with what of its recipe tells it from others of that label."""
    alike: dict[str, list[RunGroup]] = defaultdict(list)
    for run_group in run_groups:
        alike[run_group.label].append(run_group)
    added = {c.runs: text for members in alike.values() for c, text in zip(members, apart(members), strict=True)}
    return {c.runs: f"{c.label} ({added[c.runs]})" if added[c.runs] else c.label for c in run_groups}


def apart(members: Sequence[RunGroup]) -> list[str]:
    """Return words that tell run groups apart: the fewest recipe fields that do, else what is unusual about each.

    What is left alike is numbered; a single run group, and one that has nothing unusual, needs no words.
    """
    if len(members) == 1:
        return [""]
    for count in range(1, MAX_FIELDS + 1):
        for names in combinations(RECIPE_FIELDS, count):
            texts = [", ".join(field_words(name, c.recipe_fields[name]) for name in names) for c in members]
            if len(set(texts)) == len(texts) and max(map(len, texts)) <= MAX_LETTERS:
                return texts
    common = common_recipe(members)
    unusual = [{name: value for name, value in c.recipe_fields.items() if value != common[name]} for c in members]
    texts = [", ".join(field_words(name, value) for name, value in fields.items()) for fields in unusual]
    short = [text if len(text) <= MAX_LETTERS else f"{text[: MAX_LETTERS - 1]}…" for text in texts]
    return [
        text if short.count(text) == 1 else f"{text} {short[: place + 1].count(text)}".strip()
        for place, text in enumerate(short)
    ]
