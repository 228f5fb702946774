"""The deck authors' own logs: the runs of each network, and the noise between runs of one network.

The noise is the standard deviation between runs of the same network under the same recipe, pooled over all networks
that were run more than once. Networks are identified by fingerprint, so that one network under three names counts once.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.analysis import stats
from bench.analysis.health import DECK_OPTIMIZERS, DeckOptimizer
from bench.audit.claims import CLAIMS_PATH, Subject, read_rows
from bench.util.errors import BadInput
from bench.zoo.counting.golden import Golden
from bench.zoo.models import MODELS

RUNS_PATH = CLAIMS_PATH.with_name("published_runs.csv")
TEXTS = ("model", "run", "optimizer")
NUMBERS = (
    *("best_test_top1", "final_test_top1", "train_hours", "epochs", "steps", "params", "lr", "weight_decay"),
    *("warmup_epochs", "batch_per_gpu", "gpus"),
)


@dataclass(frozen=True)
class PublishedRun:
    """One logged run; `best` and `last` are top-1 on test in percent, `hours` of training."""

    model: str
    run: str
    best: float
    last: float
    hours: float
    epochs: int
    steps: int
    params: int
    batch_per_gpu: int
    recipe: DeckOptimizer
    constructor: Mapping[str, Any]

    @property
    def deck_recipe(self) -> bool:
        """Tell whether the run follows the recipe that its family has in the deck."""
        return DECK_OPTIMIZERS.get(MODELS[self.model].family) == self.recipe if self.model in MODELS else False

    def built_with(self, options: Mapping[str, Any]) -> bool:
        """Tell whether the options in the log are these; options that are not logged cannot differ."""
        return all(self.constructor.get(key, value) == value for key, value in options.items())


@dataclass(frozen=True)
class Noise:
    """The pooled standard deviation between runs of one network, its degrees of freedom, the number of networks."""

    sd: float
    df: int
    networks: int

    def half_width(self, variance_factor: float) -> float:
        """Return half of the 95 % t-interval of a figure whose variance is `variance_factor` × sd²."""
        return (
            float(stats.t_quantile(self.df, stats.CONFIDENCE) * self.sd * variance_factor**0.5)
            if self.df
            else float("inf")
        )


@dataclass(frozen=True)
class Published:
    """All logged runs, with the zoo's fingerprints to identify networks."""

    runs: Sequence[PublishedRun]
    golden: Mapping[str, Golden]

    def network(self, run: PublishedRun) -> str:
        """Return the identity of the network that a run trained: the zoo's fingerprint if the parameters agree."""
        row = self.golden.get(run.model)
        same = row is not None and row.params == run.params
        return row.fingerprint if row is not None and same else f"{run.model} with {run.params:,} parameters"

    def named(self, subject: Subject) -> list[PublishedRun]:
        """Return the runs logged under a subject's name with its options; recipe and network may differ."""
        usual = MODELS[subject.model].options if subject.model in MODELS else {}
        wanted = {**usual, **dict(subject.options)}
        return [run for run in self.runs if run.model == subject.model and run.built_with(wanted)]

    def named_like(self, run: PublishedRun) -> list[PublishedRun]:
        """Return the runs under the name of a run that trained the same network, including itself."""
        network = self.network(run)
        return [other for other in self.runs if other.model == run.model and self.network(other) == network]

    def fingerprint(self, subject: Subject) -> str | None:
        """Return the zoo's fingerprint of a subject; None for options that the zoo's row does not have."""
        row = MODELS.get(subject.model)
        usual = row is not None and all(row.options.get(key) == value for key, value in subject.options)
        return self.golden[subject.model].fingerprint if usual and subject.model in self.golden else None

    def pool(self, subject: Subject) -> list[PublishedRun]:
        """Return the runs under the deck's recipe of the subject's network, under any name.

        Where there is none, those under the subject's name of another network; the caller says so.
        """
        fingerprint = self.fingerprint(subject)
        same = [run for run in self.runs if run.deck_recipe and self.network(run) == fingerprint]
        return same or [run for run in self.named(subject) if run.deck_recipe]

    def groups(self, *, by_steps: bool) -> list[list[PublishedRun]]:
        """Return the runs in groups of one network and recipe; `by_steps` keeps apart those on fewer GPUs."""
        groups: dict[tuple[Any, ...], list[PublishedRun]] = defaultdict(list)
        for run in self.runs:
            groups[self.network(run), run.recipe, run.steps if by_steps else None].append(run)
        return list(groups.values())

    @cached_property
    def accuracy_noise(self) -> Noise:
        """Return the noise of top-1 (best epoch) in points."""
        return pool_noise(self.groups(by_steps=False), lambda run: run.best)

    @cached_property
    def time_noise(self) -> Noise:
        """Return the noise of the training time as a share of its mean."""
        groups = self.groups(by_steps=True)
        means = {id(run): sum(r.hours for r in group) / len(group) for group in groups for run in group}
        return pool_noise(groups, lambda run: run.hours / means[id(run)])


def pool_noise(groups: Sequence[Sequence[PublishedRun]], figure: Callable[[PublishedRun], float]) -> Noise:
    """Return the noise of a figure pooled over the groups of at least two runs."""
    samples = [[figure(run) for run in group] for group in groups if len(group) > 1]
    return Noise(stats.pooled_sd(*samples) or 0.0, sum(len(sample) - 1 for sample in samples), len(samples))


def read_published(golden: Mapping[str, Golden], path: Path = RUNS_PATH) -> Published:
    """Return the logged runs of a file; raise BadInput naming file and line for an invalid row."""
    rows = read_rows(path, (*TEXTS, *NUMBERS, "constructor"))
    return Published([_run(row, f"{path}:{line}") for line, row in enumerate(rows, start=2)], golden)


def _run(row: Mapping[str, str], where: str) -> PublishedRun:
    """Return a CSV row as a logged run; raise BadInput naming file and line for an invalid number."""
    try:
        number = {name: float(row[name]) for name in NUMBERS}
        constructor = json.loads(row["constructor"])
    except ValueError as error:
        raise BadInput(f"{where}: {error}") from None
    batch = int(number["batch_per_gpu"] * number["gpus"])
    recipe = DeckOptimizer(row["optimizer"], number["lr"], number["weight_decay"], int(number["warmup_epochs"]), batch)
    return PublishedRun(
        row["model"],
        row["run"],
        best=number["best_test_top1"],
        last=number["final_test_top1"],
        hours=number["train_hours"],
        epochs=int(number["epochs"]),
        steps=int(number["steps"]),
        params=int(number["params"]),
        batch_per_gpu=int(number["batch_per_gpu"]),
        recipe=recipe,
        constructor=constructor,
    )
