"""What a slide is made of, and what the slides share: parts of tables, figures, claims, what is missing."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bench.analysis.cells import Block, Column, Phrase, Row, Table, words
from bench.analysis.metrics import HEADLINE
from bench.analysis.run_groups import RunGroup, is_tuning
from bench.analysis.sources import name_some
from bench.audit.findings import KINDS, CheckedClaim
from bench.report.contents import Contents
from bench.report.deck.team import Team
from bench.report.drawing.curves import draw_curves
from bench.report.drawing.scatter import scatter
from bench.report.figures import SCORE, cost_points, curve_lines
from bench.tables import measures as m
from bench.tables.page import Page, make_page

COMPARISON = "comparison"
CLAIM = Column("deck_claim", Phrase("Deck (%)", zh="演示文稿 (%)"), kind="words")


@dataclass(frozen=True)
class Figure:
    """A figure as SVG, and what it shows in words."""

    title: str
    svg: str


@dataclass(frozen=True)
class Slide:
    """One slide: its title, lines, tables, figures, and notes for the speaker: where each number comes from."""

    title: str
    lines: Sequence[str] = ()
    tables: Sequence[Page] = ()
    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Deck:
    """What the presentation is made of: the runs, the checked claims, the team; whether claims stand beside runs."""

    contents: Contents
    checked: Sequence[CheckedClaim]
    team: Team
    with_claims: bool = False

    def say(self, template: str, *values: object) -> str:
        """Return words in the presentation's language."""
        return self.contents.say(template, *values)

    @cached_property
    def block(self) -> Block:
        """Return the rows that the results are about: the block with most of the deck's models."""
        names = set(self.deck_models)
        counts = {id(block): 0 for block in self.contents.table.blocks}
        for block, _, run_group in self.contents.rows:
            counts[id(block)] += run_group.label in names and not is_tuning(run_group)
        return max(self.contents.table.blocks, key=lambda block: counts[id(block)])

    @cached_property
    def members(self) -> list[RunGroup]:
        """Return the run groups of that block in the order of the table."""
        return [run_group for block, _, run_group in self.contents.rows if block is self.block]

    def find(self, model: str) -> RunGroup | None:
        """Return a model's run group, of the block if it is there, None without any."""
        every = [*self.members, *self.contents.run_groups]
        return next((run_group for run_group in every if run_group.label == model), None)

    @cached_property
    def deck_models(self) -> list[str]:
        """Return the models of the deck's comparison, in its order."""
        return list(dict.fromkeys(c.claim.row for c in self.checked if c.claim.table == COMPARISON))

    def missing(self, models: Sequence[str]) -> list[str]:
        """Return a line on the models that have no run, with the command that would make the first of them."""
        absent = [model for model in models if self.find(model) is None]
        if not absent:
            return []
        command = f"composer -n 8 bench/train.py -f yamls/{absent[0]}.yaml seed=0"
        return [self.say("Missing, no run yet: {}. The first one: {}", ", ".join(absent), f"`{command}`")]

    def cut(self, table: Table, keys: Sequence[str], rows: int | None = None) -> Page:
        """Return the first rows of a table's first block as text, in some columns, with the deck's figure if wanted."""
        block = table.blocks[0]
        chosen = [self._with_claim(row) for row in block.rows[:rows]]
        columns = [replace(column, wide=False) for column in table.columns if column.key in keys]
        if self.with_claims and table.name == COMPARISON:
            columns.append(CLAIM)
        part = replace(table, columns=columns, blocks=[Block(block.heading, chosen)], notes=())
        return make_page(part, self.contents.language)

    def _with_claim(self, row: Row) -> Row:
        """Return a row of the comparison with the accuracy that the deck claims for its model, where it does."""
        name = row.cells["model"].text.english() if "model" in row.cells and row.cells["model"].text else ""
        claims = [c for c in self.checked if c.claim.key == (COMPARISON, name, HEADLINE)]
        text = f"{claims[0].claim.text} ({self.say(claims[0].verdict)})" if claims else "–"
        return Row({**row.cells, CLAIM.key: words("{}", text)}, row.notes)

    def scatter(self, key: str) -> list[Figure]:
        """Return the block's accuracy against a cost."""
        points = cost_points(self.contents, self.members, key)
        heading = self.contents.say(m.COLUMNS[key].heading)
        title = self.say("{} against {}", SCORE, heading)
        return [Figure(title, scatter(points, title, heading, self.contents.say(SCORE), log=True))] if points else []

    def curves(self, models: Sequence[str]) -> list[Figure]:
        """Return the training curves of some models that have runs with more than one evaluation."""
        found = [run_group for model in models if (run_group := self.find(model)) is not None]
        lines = curve_lines(self.contents, found)
        title = self.say("Training curves")
        return [Figure(title, draw_curves(lines, title, self.say("Epoch"), self.contents.say(SCORE)))] if lines else []

    def sources(self, runs: Sequence[str]) -> list[str]:
        """Return the note on which runs the numbers of a slide come from; the seeds of one recipe stand together."""
        seeds: dict[str, list[str]] = defaultdict(list)
        for run in dict.fromkeys(runs):
            name, _, seed = run.rpartition("-s")
            seeds[name].append(seed)
        named = [f"{name}-s{'|'.join(members)}" for name, members in seeds.items()]
        return [self.say("Runs behind the numbers ({}): {}", len(set(runs)), name_some(named))] if runs else []

    def contradicted(self, table: str, metrics: Sequence[str], most: int = 3) -> list[str]:
        """Return what holds in place of the deck's figures that do not, and how many those are."""
        claims = [c for c in self.checked if c.claim.table == table and c.claim.metric in metrics]
        wrong = [c for c in claims if c.verdict == "contradicted"]
        if not claims:
            return []
        named = ", ".join(metrics)
        head = self.say("Of the deck's {} figures ({}) {} do not hold.", len(claims), named, len(wrong))
        shown = [checked for checked in wrong if checked.evidence is not None]
        return [head, *(self._correction(checked) for checked in shown[:most])]

    def _correction(self, checked: CheckedClaim) -> str:
        """Return the deck's figure and what the evidence shows in its place."""
        assert checked.decided is not None, "a contradicted claim was decided by some evidence"
        claim, unit = checked.claim, f" {checked.claim.unit}" if checked.claim.unit else ""
        shown = f"{claim.show(checked.evidence or 0.0)}{unit}"
        words = (claim.row, claim.metric, f"{claim.text}{unit}", shown, self.say(KINDS[checked.decided.kind]))
        return self.say("{}, {}: not {} but {} ({})", *words)
