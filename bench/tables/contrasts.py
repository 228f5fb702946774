"""One arm against its base: difference, interval, adjusted p, verdict, seeds needed; and the noise floor."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from bench.analysis import stats
from bench.analysis.cells import Block, Cell, Phrase, Row, missing, number, words
from bench.analysis.metrics import HEADLINE
from bench.analysis.run_groups import RunGroup, network_groups, same_network
from bench.tables import measures as m

ARM = m.column("arm", "Arm", "实验组", kind="words")
DELTA = m.column("delta", "Δ (points)", "Δ (百分点)", kind="difference")
P_VALUE = m.column("p_holm", "p (Holm)", "p (Holm)", 3, kind="p")
VERDICT = m.column("verdict", "Verdict", "结论", kind="verdict")
SEEDS = m.column("seeds_needed", "Seeds needed", "所需种子数", 0)
COLUMNS = (
    *(ARM, *m.find(HEADLINE, "n"), DELTA, P_VALUE, VERDICT, SEEDS),
    *m.find("params_m", "macs_m", "training_pflop", "train_h"),
)
NOISE = Phrase("Noise floor: one network and recipe under several names")
NO_BASE = Phrase("no base to compare with in this block")
NO_PAIR = Phrase("no common seed was computed in the same precision")


@dataclass(frozen=True)
class Contrast:
    """An arm against its base: the test, the adjusted p, the verdict, and the spread that the seeds showed.

    `tests` is how many comparisons p is adjusted over.
    """

    difference: stats.Difference
    p: float | None
    verdict: stats.Verdict
    sd: float | None
    runs: tuple[str, ...]
    pairs: bool
    tests: int


@dataclass(frozen=True)
class Samples:
    """The accuracies of a base and an arm, in `pairs` of one seed or not, and the runs that they are from."""

    base: list[float]
    arm: list[float]
    runs: tuple[str, ...]
    pairs: bool

    def test(self) -> stats.Difference:
        """Return the test of the difference."""
        return stats.paired(self.base, self.arm) if self.pairs else stats.welch(self.base, self.arm)

    def spread(self) -> float | None:
        """Return the standard deviation that decides the power: of the differences, or within the samples."""
        if self.pairs:
            return stats.pooled_sd(stats.differences_of(self.base, self.arm).tolist())
        return stats.pooled_sd(self.base, self.arm)


def samples_of(base: RunGroup, arm: RunGroup, pairs: bool) -> Samples | None:
    """Return the accuracies to compare, when paired of common seeds in one precision; None where one side has none."""
    a, b = base.by_seed(HEADLINE), arm.by_seed(HEADLINE)
    common = sorted(seed for seed in set(a) & set(b) if base.precisions[seed] == arm.precisions[seed])
    first, second = (common, common) if pairs else (sorted(a), sorted(b))
    if not first or not second:
        return None
    runs = [r.run_id for r in base.records if r.seed in first] + [r.run_id for r in arm.records if r.seed in second]
    return Samples([a[seed] for seed in first], [b[seed] for seed in second], tuple(runs), pairs)


def can_pair(pairs: Sequence[tuple[RunGroup | None, RunGroup]]) -> bool:
    """Tell whether arms are compared with their bases in pairs of seeds: where all can be, and none loses its test.

    Tables, figures, page and slides of ablations ask here, so that a block has the same verdicts in all of them.
    """
    return all(loses_nothing(base, arm) for base, arm in pairs if base is not None)


def loses_nothing(base: RunGroup, arm: RunGroup) -> bool:
    """Tell whether pairs leave out no run of the side that has fewer: then both sides can be compared in pairs."""
    paired, every = (samples_of(base, arm, pairs) for pairs in (True, False))
    return every is None or (paired is not None and len(paired.base) == min(len(every.base), len(every.arm)))


def best_samples(base: RunGroup, arm: RunGroup) -> Samples | None:
    """Return the accuracies to compare: in pairs where that loses no test and no run, else all of both sides."""
    paired = samples_of(base, arm, pairs=True)
    in_pairs = paired is not None and len(paired.base) > 1 and loses_nothing(base, arm)
    return paired if in_pairs else samples_of(base, arm, pairs=False)


def contrasts_of(pairs: Sequence[tuple[RunGroup | None, RunGroup]], paired: bool) -> list[Contrast | None]:
    """Return the contrast of each (base, arm), with p adjusted after Holm over those that are different networks."""
    return tested_together(pairs, [None if base is None else samples_of(base, arm, paired) for base, arm in pairs])


def tested_together(
    pairs: Sequence[tuple[RunGroup | None, RunGroup]], samples: Sequence[Samples | None]
) -> list[Contrast | None]:
    """Return the contrast of each (base, arm) from its samples, as `contrasts_of` does."""
    same = [base is not None and same_network(base, arm) for base, arm in pairs]
    tests = [None if sample is None else sample.test() for sample in samples]
    raw = [None if test is None or equal else test.p for test, equal in zip(tests, same, strict=True)]
    count = sum(p is not None for p in raw)
    return [
        None if test is None or sample is None else contrast_of(test, sample, p, count, equal)
        for test, sample, p, equal in zip(tests, samples, stats.holm(raw), same, strict=True)
    ]


def contrast_of(test: stats.Difference, sample: Samples, p: float | None, tests: int, same: bool) -> Contrast:
    """Return a tested difference with its verdict by the adjusted p."""
    verdict = stats.verdict(test, p, same_network=same)
    return Contrast(test, p, verdict, sample.spread(), sample.runs, sample.pairs, tests)


def contrast_cells(contrast: Contrast | None, base: RunGroup | None) -> dict[str, Cell]:
    """Return the cells of a contrast with a base, or gaps where there is nothing to compare with."""
    if contrast is None:
        return {column.key: Cell(why=NO_PAIR if base else NO_BASE) for column in (DELTA, P_VALUE, VERDICT, SEEDS)}
    test, runs = contrast.difference, contrast.runs
    why = Phrase(test.why) if test.why else None
    p = missing(test.why or "not tested: the same network") if contrast.p is None else number(contrast.p, runs)
    return {
        DELTA.key: Cell(test.delta, None, len(runs), test.low, test.high, runs, why),
        P_VALUE.key: p,
        VERDICT.key: words(contrast.verdict),
        SEEDS.key: seeds_cell(contrast),
    }


def compared(row: Row) -> bool:
    """Tell whether a row of an ablation has a difference from its base."""
    return DELTA.key in row.cells and row.cells[DELTA.key].value is not None


def seeds_cell(contrast: Contrast) -> Cell:
    """Return how many seeds per arm settle an open contrast, at the level that Holm asks of the smallest p."""
    if contrast.verdict in ("better", "worse"):
        return words("settled")
    if contrast.verdict == "same network":
        return missing("not tested: the same network")
    if contrast.sd is None:
        return missing("the spread is not known from one run an arm")
    if contrast.sd == 0:
        return missing(stats.NO_SPREAD)
    seeds = enough_seeds(abs(contrast.difference.delta), contrast.sd, contrast.pairs, max(1, contrast.tests))
    return words("more than {}", stats.MAX_SEEDS) if seeds is None else number(seeds, contrast.runs)


@cache
def enough_seeds(size: float, sd: float, pairs: bool, tests: int) -> int | None:
    """Return `stats.seeds_needed`, which takes milliseconds; a pair and its mirror ask for the same."""
    return stats.seeds_needed(size, sd, alpha=stats.ALPHA / tests, pairs=pairs)


def noise_block(run_groups: Sequence[RunGroup], paired: bool) -> list[Block]:
    """Return a block with the differences between run groups that are one network: differences that are noise."""
    rows = [
        noise_row(group[0], other, paired)
        for group in network_groups(run_groups)
        for other in group[1:]
        if other.label != group[0].label
    ]
    return [Block(NOISE, rows)] if rows else []


def noise_row(one: RunGroup, other: RunGroup, paired: bool) -> Row:
    """Return the difference between two names of one network, and what the spread of its seeds alone would give."""
    contrast = contrasts_of([(one, other)], paired)[0]
    cells = {ARM.key: words("{} − {}", other.label, one.label), **contrast_cells(contrast, one)}
    if contrast is None:
        return Row(cells)
    a, b = one.by_seed(HEADLINE), other.by_seed(HEADLINE)
    common = set(a) & set(b)
    if common and all(a[seed] == b[seed] for seed in common):
        return Row(cells, (Phrase("equal seed by seed: the same runs under two names show no noise"),))
    return Row(cells, noise_notes(stats.pooled_sd(list(a.values()), list(b.values()))))


def noise_notes(sd: float | None) -> tuple[Phrase, ...]:
    """Return the footnote on the spread over the seeds of one network, where it is known."""
    if sd is None:
        return ()
    return (Phrase("standard deviation over the seeds of this network: {} points", (f"{sd:.2f}",)),)
