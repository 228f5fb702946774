"""Statistics of repeated runs: intervals, tests, adjustment, power, verdicts; pure functions on scipy's distributions.

A sample is the results of one model under one recipe, one number a seed. Nothing is assumed equal between two samples
(Welch, Biometrika 1947), many comparisons are adjusted after Holm (Scand. J. Statist. 1979), and one run has no
interval: every function then returns None for it and says why. `scipy.special` is used rather than `scipy.stats`
because the latter takes longer to import than a table takes to make; the tests compare both, and statsmodels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

CONFIDENCE, ALPHA, POWER = 0.95, 0.05, 0.80
# Below this many runs a percentile bootstrap covers far less than it promises.
MIN_BOOTSTRAP, RESAMPLES = 5, 10_000
# A noncentral t shifted this far exceeds any threshold for certain.
FAR = 1000.0
# Nobody trains more seeds than this to answer a question.
MAX_SEEDS = 10_000
# Differences of decimal numbers that are equal on paper are within so many steps of floating point.
ROUNDINGS = 8
ONE_RUN = "one run (n = 1): no interval"
FEW_RUNS = f"fewer than {MIN_BOOTSTRAP} runs: no bootstrap interval"
NO_SPREAD = "no spread among the runs: no test"

Verdict = Literal["better", "worse", "not distinguishable", "same network", "not tested"]


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval; `low`, `high` and `sd` are None where there is none, and `why` says so."""

    mean: float
    n: int
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""

    @property
    def half_width(self) -> float | None:
        """Return half the width of the interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class Difference:
    """Arm minus base: `delta` with its interval and p; None where it cannot be tested, and `why` says so."""

    delta: float
    n_base: int
    n_arm: int
    low: float | None = None
    high: float | None = None
    p: float | None = None
    df: float | None = None
    why: str = ""


def as_sample(values: Sequence[float]) -> NDArray[np.float64]:
    """Return a sample as an array; raise ValueError when it is empty, not flat or not finite."""
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or sample.size == 0:
        raise ValueError(f"a sample must be one-dimensional and not empty, not of shape {sample.shape}")
    if not np.isfinite(sample).all():
        raise ValueError(f"a sample must be finite: {values!r}")
    return sample


def standard_deviation(sample: NDArray[np.float64]) -> float:
    """Return the standard deviation with n − 1; exactly 0 for equal numbers, where rounding would leave 1e-14."""
    return 0.0 if np.ptp(sample) == 0 else float(sample.std(ddof=1))


def mean_of(sample: NDArray[np.float64]) -> float:
    """Return the mean, the same for every order of the numbers."""
    return math.fsum(sample) / len(sample)


def differences_of(base: Sequence[float], arm: Sequence[float]) -> NDArray[np.float64]:
    """Return arm − base pair by pair; exactly equal where they differ by no more than subtraction rounds.

    Raises ValueError for bad samples or unequal lengths.
    """
    a, b = as_sample(base), as_sample(arm)
    if len(a) != len(b):
        raise ValueError(f"pairs need samples of one length, not {len(a)} and {len(b)}")
    found = b - a
    rounding = ROUNDINGS * np.spacing(max(np.abs(a).max(), np.abs(b).max()))
    return np.full_like(found, found.mean()) if np.ptp(found) <= rounding else found


def t_quantile(df: float, confidence: float) -> float:
    """Return the t that a two-sided interval of this confidence spans."""
    return float(special.stdtrit(df, (1 + confidence) / 2))


def t_p_value(t: float, df: float) -> float:
    """Return the two-sided p of a t statistic."""
    return float(2 * special.stdtr(df, -abs(t)))


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean of a sample and its t-interval (Student, Biometrika 1908), in the sample's unit.

    One value has no interval. Raises ValueError for an empty or non-finite sample.
    """
    sample = as_sample(values)
    n, mean = len(sample), mean_of(sample)
    if n == 1:
        return Estimate(mean, 1, why=ONE_RUN)
    sd = standard_deviation(sample)
    half = t_quantile(n - 1, confidence) * sd / math.sqrt(n)
    return Estimate(mean, n, sd, mean - half, mean + half)


def prediction_half_width(sd: float, df: float, n: int) -> float:
    """Return half the width of the interval in which one further run lies beside the mean of `n`."""
    return t_quantile(df, CONFIDENCE) * sd * math.sqrt(1 + 1 / n)


def welch(base: Sequence[float], arm: Sequence[float], confidence: float = CONFIDENCE) -> Difference:
    """Return the difference of two independent samples, arm − base, by Welch's t-test.

    One run on either side, or no spread on both, gives the difference alone. Raises ValueError for a bad sample.
    """
    a, b = as_sample(base), as_sample(arm)
    delta = mean_of(b) - mean_of(a)
    if min(len(a), len(b)) == 1:
        return Difference(delta, len(a), len(b), why=ONE_RUN)
    parts = [standard_deviation(sample) ** 2 / len(sample) for sample in (a, b)]
    error = math.sqrt(sum(parts))
    if error == 0:
        return Difference(delta, len(a), len(b), why=NO_SPREAD)
    shares = [part / sum(parts) for part in parts]
    df = 1 / sum(share**2 / (len(s) - 1) for share, s in zip(shares, (a, b), strict=True))
    return tested(delta, error, df, len(a), len(b), confidence)


def paired(base: Sequence[float], arm: Sequence[float], confidence: float = CONFIDENCE) -> Difference:
    """Return the mean of arm − base over pairs (same position: same seed) by the paired t-test.

    One pair, or equal differences, gives the mean alone. Raises ValueError for bad samples or unequal lengths.
    """
    differences = differences_of(base, arm)
    n = len(differences)
    delta = mean_of(differences)
    if n == 1:
        return Difference(delta, 1, 1, why=ONE_RUN)
    error = standard_deviation(differences) / math.sqrt(n)
    if error == 0:
        return Difference(delta, n, n, why=NO_SPREAD)
    return tested(delta, error, n - 1, n, n, confidence)


def tested(delta: float, error: float, df: float, n_base: int, n_arm: int, confidence: float) -> Difference:
    """Return a difference with the interval and p that its standard error and degrees of freedom give."""
    half = t_quantile(df, confidence) * error
    return Difference(delta, n_base, n_arm, delta - half, delta + half, t_p_value(delta / error, df), df)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's adjusted p-values in the same order; None (not tested) stays None and does not count."""
    ranked = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(ranked):
        highest = max(highest, min(1.0, p * (len(ranked) - rank)))
        adjusted[index] = highest
    return adjusted


def verdict(
    difference: Difference, p: float | None, *, same_network: bool = False, larger_is_better: bool = True
) -> Verdict:
    """Return the verdict on a difference, given its adjusted p; a network compared with itself is never better."""
    if same_network:
        return "same network"
    if p is None:
        return "not tested"
    if p >= ALPHA:
        return "not distinguishable"
    return "better" if (difference.delta > 0) == larger_is_better else "worse"


def pooled_sd(*samples: Sequence[float]) -> float | None:
    """Return the standard deviation within samples, pooled over them; None when every sample is a single run."""
    arrays = [as_sample(values) for values in samples]
    freedom = sum(len(array) - 1 for array in arrays)
    if freedom == 0:
        return None
    return math.sqrt(sum(standard_deviation(a) ** 2 * (len(a) - 1) for a in arrays if len(a) > 1) / freedom)


def power_of_test(delta: float, sd: float, n: int, *, alpha: float = ALPHA, pairs: bool = False) -> float:
    """Return the power of a two-sided t-test with `n` seeds an arm (or `n` pairs, `sd` then that of the differences).

    Noncentral t with equal spread in both arms (Cohen, Statistical Power Analysis, 1988, chapter 2).
    """
    df = n - 1 if pairs else 2 * (n - 1)
    shift = abs(delta) / sd * math.sqrt(n if pairs else n / 2)
    t = t_quantile(df, 1 - alpha)
    # Where the probability is below 1e-12 scipy's function may be NaN.
    below, wrong_sign = np.nan_to_num(special.nctdtr(df, min(shift, FAR), [t, -t]), nan=0.0)
    return float(1 - below + wrong_sign)


def seeds_needed(
    delta: float, sd: float, power: float = POWER, *, alpha: float = ALPHA, pairs: bool = False, most: int = MAX_SEEDS
) -> int | None:
    """Return how many seeds an arm show a true difference `delta` at this power; None when `most` do not.

    `sd` is that of the seeds (of the differences with `pairs`); at least 2. Raises ValueError for a negative `sd`.
    """
    if not sd >= 0:
        raise ValueError(f"a standard deviation cannot be {sd}")
    if delta == 0:
        return None
    if sd == 0:
        return 2
    low, high = 1, 2
    while power_of_test(delta, sd, high, alpha=alpha, pairs=pairs) < power:
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        enough = power_of_test(delta, sd, middle, alpha=alpha, pairs=pairs) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high


def bootstrap_ratio(
    numerators: Sequence[float], denominators: Sequence[float], confidence: float = CONFIDENCE, seed: int = 0
) -> Estimate:
    """Return the ratio of two means over the same runs with a percentile bootstrap interval.

    Runs are drawn with replacement, numerator and denominator together (Efron and Tibshirani, 1993, chapter 13); the
    draws are fixed by `seed`. Fewer than 5 runs give no interval. Raises ValueError for bad samples, unequal lengths
    or a denominator that is not positive.
    """
    top, bottom = as_sample(numerators), as_sample(denominators)
    if len(top) != len(bottom) or (bottom <= 0).any():
        raise ValueError("a ratio needs a positive denominator for each numerator")
    n, ratio = len(top), float(top.mean() / bottom.mean())
    if n < MIN_BOOTSTRAP:
        return Estimate(ratio, n, why=ONE_RUN if n == 1 else FEW_RUNS)
    draws = np.random.default_rng(seed).integers(0, n, size=(RESAMPLES, n))
    ratios = top[draws].mean(axis=1) / bottom[draws].mean(axis=1)
    low, high = np.quantile(ratios, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(ratio, n, None, float(low), float(high))
