"""What a table is made of: cells that know the runs they came from, columns, rows, blocks. Nothing here formats.

A number without a run cannot be made into a cell. A missing value is a cell that says why it is missing.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from bench.analysis import stats
from bench.analysis.recipe import MACHINE
from bench.analysis.run_groups import SEVERAL, RunGroup

NUMERAL = re.compile(r"\s*[-+−±]?\s*\d[\d.,\s]*(e[-+]?\d+)?\s*%?\s*", re.IGNORECASE)


class Phrase(NamedTuple):
    """A sentence in English with what is put into its braces, and in Chinese where `bench.tables.text` has it not."""

    template: str
    values: tuple[object, ...] = ()
    zh: str | None = None

    def english(self) -> str:
        """Return the sentence in English."""
        values = [value.english() if isinstance(value, Phrase) else value for value in self.values]
        return self.template.format(*values) if values else self.template


@dataclass(frozen=True)
class Cell:
    """One cell: a number with its interval, n and runs; or words; or nothing, and why.

    `low` without a value is a lower bound.
    """

    value: float | None = None
    text: Phrase | None = None
    n: int = 0
    low: float | None = None
    high: float | None = None
    runs: tuple[str, ...] = ()
    why: Phrase | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a number, or words that look like one, without a run, and for an unexplained gap."""
        looks_like_number = self.text is not None and NUMERAL.fullmatch(self.text.english()) is not None
        if (self.value is not None or looks_like_number) and not self.runs:
            raise ValueError(f"a number needs the runs it came from: {self.value or self.text}")
        if self.value is None and self.text is None and self.why is None:
            raise ValueError("a missing value needs a reason")


@dataclass(frozen=True)
class Column:
    """A column: its key in CSV files, its heading, how its numbers are shown, and what makes a run group's cell.

    A table fills in the columns without such a function itself. `tables` names the tables of models at whose end the
    column stands; others are placed by the table. `timed` says that the machine's noise is in it.
    """

    key: str
    heading: Phrase
    digits: int = 2
    kind: Literal["words", "rank", "number", "mean", "difference", "interval", "p", "verdict"] = "number"
    wide: bool = False
    make_cell: Callable[[RunGroup], Cell] | None = field(default=None, compare=False)
    tables: tuple[str, ...] = ()
    timed: bool = False

    def cell(self, run_group: RunGroup) -> Cell:
        """Return a run group's cell."""
        assert self.make_cell is not None, f"the table fills in the column '{self.key}' itself"
        return self.make_cell(run_group)


@dataclass(frozen=True)
class Row:
    """A row: its cells by column key, and its footnotes."""

    cells: Mapping[str, Cell]
    notes: tuple[Phrase, ...] = ()


@dataclass(frozen=True)
class Block:
    """Rows that may be compared with each other, under a heading (None: the only block); how they were tested."""

    heading: Phrase | None
    rows: Sequence[Row]
    test: Phrase | None = None


@dataclass(frozen=True)
class Table:
    """A table: name, title, columns, blocks, and the lines below it."""

    name: str
    title: Phrase
    columns: Sequence[Column]
    blocks: Sequence[Block]
    notes: tuple[Phrase, ...] = ()


SEVERAL_MACHINES = Cell(why=Phrase("the runs were trained on several machines"))


def joined(parts: Sequence[Phrase]) -> Phrase:
    """Return phrases as one, parted by semicolons."""
    return Phrase("; ".join(["{}"] * len(parts)), tuple(parts))


def words(template: str, *values: object) -> Cell:
    """Return a cell of words."""
    return Cell(text=Phrase(template, values))


def missing(template: str, *values: object) -> Cell:
    """Return a cell without a value, which says why."""
    return Cell(why=Phrase(template, values))


def number(value: float, runs: Sequence[str], n: int = 0) -> Cell:
    """Return a cell of one number that has no interval of its own."""
    return Cell(value=value, n=n or len(runs), runs=tuple(runs))


def from_estimate(estimate: stats.Estimate, runs: Sequence[str], scale: float = 1.0) -> Cell:
    """Return a cell of a mean, scaled; an interval that is missing is explained."""
    why = Phrase(estimate.why) if estimate.why else None
    low = None if estimate.low is None else estimate.low * scale
    high = None if estimate.high is None else estimate.high * scale
    return Cell(estimate.mean * scale, None, estimate.n, low, high, tuple(runs), why)


def mean_cell(run_group: RunGroup, path: str, scale: float = 1.0) -> Cell:
    """Return the mean over a run group's runs of what their results hold at a dotted path."""
    found = run_group.values(path)
    if not found:
        return missing("'{}' was not recorded", path)
    return from_estimate(stats.mean_interval(list(found.values())), list(found), scale)


def constant_cell(run_group: RunGroup, path: str, scale: float = 1.0) -> Cell:
    """Return what all runs of a run group have in common (parameters, MACs); missing when they do not agree."""
    found = run_group.values(path)
    if not found:
        return missing("'{}' was not recorded", path)
    if len(set(found.values())) > 1:
        return missing("the runs do not agree on '{}'", path)
    return number(next(iter(found.values())) * scale, list(found))


def time_cell(run_group: RunGroup, path: str, scale: float = 1.0) -> Cell:
    """Return the mean of a time; times of different machines are not averaged."""
    return SEVERAL_MACHINES if on_several_machines([run_group]) else mean_cell(run_group, path, scale)


def on_several_machines(run_groups: Sequence[RunGroup]) -> bool:
    """Tell whether runs were trained on several machines, so that their times are not averaged."""
    machines = {run_group.recipe_fields[MACHINE] for run_group in run_groups}
    return len(machines) > 1 or SEVERAL in machines


def ratio_cell(run_group: RunGroup, top: str, bottom: str, scale: float = 1.0) -> Cell:
    """Return the ratio of two means; by the t-interval of the first where the second is constant, else by bootstrap."""
    above, below = run_group.values(top), run_group.values(bottom)
    runs = [run for run in above if below.get(run)]
    if not runs:
        return missing("'{}' was not recorded", top if not above else bottom)
    values, divisors = [above[run] for run in runs], [below[run] for run in runs]
    if len(set(divisors)) == 1:
        return from_estimate(stats.mean_interval(values), runs, scale / divisors[0])
    return from_estimate(stats.bootstrap_ratio(values, divisors), runs, scale)
