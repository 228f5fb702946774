"""What slides are made of: the runs that are comparable, their tables, the checked claims, and words in a language."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure

from bench.analysis.ablations import ABLATIONS
from bench.analysis.cells import Block, Phrase, Row, Table
from bench.analysis.run_groups import RunGroup, blocks_of, common_recipe, is_helped, is_tuning, representative
from bench.analysis.sources import Source
from bench.audit.evidence import Evidence
from bench.audit.findings import CheckedClaim
from bench.figures import style
from bench.records import RunRecord
from bench.report.claims import check_claims
from bench.report.contents import Contents
from bench.report.deck.about import About
from bench.report.deck.slides import Picture
from bench.report.text import translate
from bench.tables.contrasts import Contrast, best_samples, tested_together
from bench.tables.measures import Options
from bench.tables.registry import all_tables
from bench.zoo.models import MODELS

SEED = re.compile(r"(?P<run>.*)-s(?P<seed>\d+)")


@dataclass(frozen=True)
class Material:
    """Records and how they are to be shown; `where` is what the command line calls them.

    `beside` puts the deck's figures beside ours, `mixed` ranks rows of different recipes together, `form` is the
    format of pictures: "svg" or "png".
    """

    records: Sequence[RunRecord]
    source: Source
    where: str
    language: str = "en"
    about: About = field(default_factory=About)
    beside: bool = False
    mixed: bool = False
    ablations: Path = ABLATIONS
    form: str = "svg"

    def say(self, words: Phrase | str, *values: object) -> str:
        """Return words in the deck's language."""
        return translate(words if isinstance(words, Phrase) else Phrase(words, values), self.language)

    @property
    def options(self) -> Options:
        """Return what the tables are asked for."""
        return Options(allow_mixed=self.mixed)

    @cached_property
    def members(self) -> list[RunGroup]:
        """Return the rows that the slides compare: the comparable ones with most of the deck's models, or all."""
        if self.mixed:
            return list(self.source.run_groups)
        blocks = blocks_of(self.source.run_groups).values()
        # Images that were held out for tuning tell nothing of the test images.
        return max(blocks, key=lambda block: (not is_tuning(block[0]), len(deck_models(block))))

    @cached_property
    def by_runs(self) -> Mapping[tuple[str, ...], RunGroup]:
        """Return all rows by their runs."""
        return {run_group.runs: run_group for run_group in self.source.run_groups}

    @cached_property
    def contents(self) -> Contents:
        """Return the rows that are compared as the page has them, for their names and their order."""
        return Contents(replace(self.source, run_groups=self.members), self.language, self.ablations)

    @cached_property
    def common(self) -> Mapping[str, str]:
        """Return the recipe that most of the rows that are compared have."""
        return common_recipe(self.members)

    def find(self, model: str) -> RunGroup | None:
        """Return the row that stands for a model as the zoo has it, as `representative` chooses it; None without."""
        found = [run_group for run_group in self.members if run_group.label == model]
        return representative(found, self.common)

    def table(self, name: str) -> Table:
        """Return a table of the rows that are compared."""
        return all_tables(self.ablations)[name](self.members, self.options)

    def rows(self, table: Table) -> list[Row]:
        """Return a table's rows."""
        return [row for block in table.blocks for row in block.rows]

    def ablation(self, name: str) -> tuple[Table, Block | None]:
        """Return an ablation's table of all rows, and its block with most arms; None without any arm."""
        table = self.ablation_table(name)
        shown = [block for block in table.blocks if any("delta" in row.cells for row in block.rows)]
        shown = [block for block in shown if any("n" in row.cells for row in block.rows)]
        return table, max(shown, key=lambda block: sum("n" in row.cells for row in block.rows), default=None)

    def ablation_table(self, name: str) -> Table:
        """Return an ablation's table of all rows."""
        return all_tables(self.ablations)[name](self.source.run_groups, self.options)

    def contrasts(self, base: RunGroup, arms: Sequence[RunGroup]) -> list[Contrast | None]:
        """Return the contrasts of some rows with one, adjusted together."""
        samples = [best_samples(base, arm) for arm in arms]
        return tested_together([(base, arm) for arm in arms], samples)

    @cached_property
    def audit(self) -> tuple[Sequence[CheckedClaim], Evidence]:
        """Return every claim of the deck with its verdict, and what they are checked against."""
        return check_claims(self.records)

    @property
    def checked(self) -> Sequence[CheckedClaim]:
        """Return every claim of the deck with its verdict."""
        return self.audit[0]

    @property
    def evidence(self) -> Evidence:
        """Return what the deck's claims are checked against."""
        return self.audit[1]

    def from_runs(self, runs: Sequence[str]) -> tuple[str, ...]:
        """Return runs as the source of a number."""
        return (self.say("runs in {}: {}", self.where, say_runs(runs)),) if runs else ()

    def from_command(self, command: str) -> str:
        """Return a command that prints what is shown, as a source."""
        flag = "--runs" if all(record.local for record in self.records) else "--wandb"
        return f"python -m {command} {flag} {self.where}"

    def from_audit(self, table: str = "") -> str:
        """Return the audit of a table of the deck, or of all, as a source; it takes our runs as evidence too."""
        command = f"bench.audit --table {table}" if table else "bench.audit"
        return self.from_command(command) if all(record.local for record in self.records) else f"python -m {command}"

    def picture(self, draw: Callable[[], Figure], name: str, title: str, runs: Sequence[str]) -> Picture:
        """Return a figure in the format that is asked for."""
        content = BytesIO()
        with style.styled():
            draw().savefig(content, format=self.form, dpi=style.DPI, metadata=style.UNDATED[self.form])
        return Picture(f"{name}.{self.form}", title, content.getvalue(), self.from_runs(runs))


def deck_models(run_groups: Sequence[RunGroup]) -> set[str]:
    """Return the models of the deck among some rows, of those that learned from their data alone."""
    usual = {c.model for c in run_groups if c.label == c.model and not is_helped(c)}
    return {model for model in usual if model in MODELS and MODELS[model].deck}


def say_runs(runs: Sequence[str]) -> str:
    """Return the ids of runs, those that differ in the seed alone as one: `small_10ep/resnet_20-0123abcd-s0,1,2`."""
    seeds: dict[str, list[str]] = {}
    for run in runs:
        found = SEED.fullmatch(run)
        seeds.setdefault(found["run"] if found else run, []).extend([found["seed"]] if found else [])
    return "; ".join(f"{run}-s{','.join(numbers)}" if numbers else run for run, numbers in seeds.items())
