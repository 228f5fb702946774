"""All evidence, and the look-ups that the checks share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.analysis import stats
from bench.analysis.health import changed_options, is_deck
from bench.analysis.run_groups import group_runs
from bench.analysis.sources import counts_agree
from bench.audit.claims import Claim, Subject
from bench.audit.findings import Kind
from bench.audit.published import Published, PublishedRun
from bench.audit.wording import listed
from bench.records import RunRecord
from bench.zoo.counting.golden import Golden
from bench.zoo.models import MODELS

Key = tuple[str, str, str]
MILLION = 1e6


@dataclass(frozen=True)
class Accuracy:
    """The mean best-epoch top-1 of a network in percent, half its 95 % t-interval, its source and extremes.

    `values` are the runs' own, of runs of ours.
    """

    mean: float
    n: int
    half_width: float
    kind: Kind
    lowest: float
    highest: float
    values: tuple[float, ...] = ()


def is_evidence(run: RunRecord) -> bool:
    """Tell whether a run may decide a claim: of the deck's recipe in full, evaluated on every image of the split."""
    return run.finished and is_deck(run.spec) and counts_agree(run)


@dataclass(frozen=True)
class Evidence:
    """Everything that claims are checked against; `runs` are all run records found, used or not."""

    claims: Mapping[Key, Claim]
    published: Published
    runs: Sequence[RunRecord] = ()

    @property
    def golden(self) -> Mapping[str, Golden]:
        """Return the counted figures of the zoo."""
        return self.published.golden

    @cached_property
    def used(self) -> list[RunRecord]:
        """Return the run records that decide accuracy claims: finished, full length, the deck's recipe.

        As in the tables, a recipe and seed counts once, and only where every image of the split was evaluated.
        """
        run_groups, _ = group_runs([run for run in self.runs if is_evidence(run)])
        return [run for run_group in run_groups for run in run_group.records]

    @cached_property
    def unused(self) -> list[RunRecord]:
        """Return the finished run records that are not used: shorter, or of another recipe."""
        return [run for run in self.runs if run.finished and not is_deck(run.spec)]

    def counted(self, subject: Subject) -> Golden | None:
        """Return the counted figures of a subject, None for options that the golden file does not cover."""
        return self.golden[subject.model] if self.published.fingerprint(subject) else None

    def twins(self, subject: Subject) -> list[str]:
        """Return the other names in the zoo that build the same network."""
        fingerprint = self.published.fingerprint(subject)
        names = (name for name, golden in self.golden.items() if golden.fingerprint == fingerprint)
        return [name for name in names if name != subject.model]

    def claimed(self, table: str, row: str, metric: str) -> Claim:
        """Return another claim of the deck; raises KeyError when there is none."""
        return self.claims[table, row, metric]

    def other_figures(self, claim: Claim, metrics: Sequence[str]) -> list[str]:
        """Return a remark if the deck also gives other figures for the same network."""
        figures = [
            f"{other.text} ({other.table if other.row == claim.row else other.row})"
            for other in self.claims.values()
            if other.metric in metrics and other.text != claim.text and self.same_network(claim.subject, other.subject)
        ]
        return [f"the deck also gives this network {listed(list(dict.fromkeys(figures)))}"] if figures else []

    def network_caveat(self, subject: Subject) -> list[str]:
        """Return a caveat if the authors' logs under a name are of another network than the zoo's."""
        counted, pool = self.counted(subject), self.published.pool(subject)
        others = sorted({run.params for run in pool if counted and run.params != counted.params})
        if not others or counted is None:
            return []
        counts = listed([f"{params:,}" for params in others])
        return [f"the logged run trained another network ({counts} parameters, not {counted.params:,})"]

    def own_runs(self, subject: Subject) -> list[RunRecord]:
        """Return the used run records of the subject's network."""
        return [run for run in self.used if self.trained(run, subject)]

    def unused_runs(self, subject: Subject) -> list[RunRecord]:
        """Return the subject's finished runs that are not used: too short, or of another recipe."""
        return [run for run in self.unused if self.trained(run, subject)]

    def trained(self, run: RunRecord, subject: Subject) -> bool:
        """Tell whether a run trained a subject: by fingerprint where both have one, else by name and options."""
        built = (run.result or {}).get("model", {}).get("fingerprint")
        expected = self.published.fingerprint(subject)
        if built and expected:
            return bool(built == expected)
        row = MODELS.get(subject.model)
        unusual = {key: value for key, value in subject.options if row and row.options.get(key) != value}
        return run.model == subject.model and changed_options(run.spec) == unusual

    def same_network(self, one: Subject, other: Subject) -> bool:
        """Tell whether two subjects build the same network."""
        fingerprint = self.published.fingerprint(one)
        return fingerprint is not None and fingerprint == self.published.fingerprint(other)

    def logged_accuracy(self, subject: Subject) -> Accuracy | None:
        """Return the mean best-epoch top-1 of the authors' runs of the subject's network, with the pooled noise."""
        pool = self.published.pool(subject)
        if not pool:
            return None
        bests = [run.best for run in pool]
        half = self.published.accuracy_noise.half_width(1 / len(bests))
        return Accuracy(sum(bests) / len(bests), len(bests), half, "logs", min(bests), max(bests))

    def own_accuracy(self, subject: Subject) -> Accuracy | None:
        """Return the mean best-epoch top-1 of our runs; a single run uses the noise of the authors' runs."""
        values = [float(run.result["best"]["top1"]) for run in self.own_runs(subject) if run.result]
        if not values:
            return None
        estimate = stats.mean_interval(values)
        half = estimate.half_width
        borrowed = self.published.accuracy_noise.half_width(1.0) if half is None else half
        return Accuracy(estimate.mean, estimate.n, borrowed, "runs", min(values), max(values), tuple(values))

    def accuracy(self, subject: Subject) -> Accuracy | None:
        """Return the accuracy from the authors' logs, else from our runs."""
        return self.logged_accuracy(subject) or self.own_accuracy(subject)

    def matching_run(self, claim: Claim, subject: Subject) -> tuple[PublishedRun, str] | None:
        """Return the logged run whose best (else last) epoch rounds to a claimed top-1: by name, then by network."""
        candidates = [*self.published.named(subject), *self.published.pool(subject)]
        for epoch, figure in (("best", lambda run: run.best), ("last", lambda run: run.last)):
            for run in candidates:
                if claim.holds(figure(run)):
                    return run, epoch
        return None


def command(subject: Subject) -> str:
    """Return the command that would test a claim about a subject."""
    options = "".join(f" model.options.{key}={value}" for key, value in subject.options)
    return f"composer -n 8 bench/train.py -f yamls/{subject.model}.yaml{options} seed=0"
