"""The statistics against scipy and statsmodels, against cases worked by hand, and their properties."""

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats as reference
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower, TTestPower

from bench.analysis import stats

FINITE = st.floats(min_value=-1000, max_value=1000, allow_subnormal=False)
SAMPLE = st.lists(FINITE, min_size=2, max_size=30).filter(lambda v: np.ptp(v) > 1e-6)
RESNET_20 = [66.23, 66.14, 66.74]  # last epochs of the deck authors' three runs of one network
# The same authors' five runs of another, which bears two names there.
ECA = [66.93, 67.62, 66.33, 66.64, 66.63]


def normal(rng: np.random.Generator, mean: float, sd: float, n: int) -> list[float]:
    return rng.normal(mean, sd, n).tolist()


@settings(deadline=None)
@given(SAMPLE, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_interval_is_that_of_scipy(values: list[float], confidence: float) -> None:
    estimate = stats.mean_interval(values, confidence)
    expected = reference.t.interval(confidence, len(values) - 1, np.mean(values), reference.sem(values))
    assert (estimate.low, estimate.high) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_an_interval_worked_by_hand() -> None:
    # mean 3, sd sqrt(2.5), t(4, 0.975) = 2.7764: half = 2.7764 · 1.5811 / sqrt(5) = 1.9632
    estimate = stats.mean_interval([1, 2, 3, 4, 5])
    assert estimate.mean == 3
    assert estimate.sd == pytest.approx(1.58114, abs=1e-5)
    assert estimate.half_width == pytest.approx(1.9632, abs=1e-4)


def test_one_run_has_no_interval_and_says_so() -> None:
    estimate = stats.mean_interval([68.0])
    assert (estimate.mean, estimate.n, estimate.low, estimate.high, estimate.half_width) == (68.0, 1, None, None, None)
    assert "n = 1" in estimate.why


@pytest.mark.parametrize("bad", [[], [math.nan, 1.0], [math.inf], [[1.0, 2.0]]])
def test_a_sample_that_is_none_is_refused(bad: list[Any]) -> None:
    with pytest.raises(ValueError, match="sample"):
        stats.mean_interval(bad)


@settings(deadline=None)
@given(SAMPLE, SAMPLE)
def test_welch_is_that_of_scipy(base: list[float], arm: list[float]) -> None:
    ours, theirs = stats.welch(base, arm), reference.ttest_ind(arm, base, equal_var=False)
    interval = theirs.confidence_interval(0.95)
    assert (ours.p, ours.df) == pytest.approx((theirs.pvalue, theirs.df), rel=1e-7, abs=1e-12)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), rel=1e-7, abs=1e-7)


@settings(deadline=None)
@given(
    st.lists(st.tuples(FINITE, FINITE), min_size=2, max_size=30).filter(lambda v: np.ptp([b - a for a, b in v]) > 1e-6)
)
def test_paired_is_that_of_scipy(pairs: list[tuple[float, float]]) -> None:
    base, arm = (list(side) for side in zip(*pairs, strict=True))
    ours, theirs = stats.paired(base, arm), reference.ttest_rel(arm, base)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-7, abs=1e-12)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)), rel=1e-7, abs=1e-7)


@settings(deadline=None)
@given(SAMPLE, SAMPLE)
def test_swapping_the_arms_turns_the_sign(base: list[float], arm: list[float]) -> None:
    there, back = stats.welch(base, arm), stats.welch(arm, base)
    assert there.low is not None
    assert (there.delta, there.low) == pytest.approx((-back.delta, -(back.high or 0.0)), abs=1e-6)
    assert there.p == pytest.approx(back.p)


def test_welch_worked_by_hand() -> None:
    # means 2 and 6, variances 1 and 4, n = 3: error = sqrt(1/3 + 4/3) = 1.29099, df = (5/3)² / (1/18 + 16/18) = 2.94118
    difference = stats.welch([1, 2, 3], [4, 6, 8])
    assert difference.delta == 4
    assert difference.df == pytest.approx(2.94118, abs=1e-5)
    assert difference.p == pytest.approx(reference.t.sf(4 / 1.290994, 2.941176) * 2, rel=1e-5)


def test_welch_of_one_run_or_no_spread_is_not_tested() -> None:
    assert stats.welch([66.0], [67.0, 68.0]).why == stats.ONE_RUN
    flat = stats.welch([66.0, 66.0], [67.0, 67.0])
    assert (flat.delta, flat.p, flat.low, flat.why) == (1.0, None, None, stats.NO_SPREAD)
    assert stats.welch([66.1] * 3, [66.1] * 3).why == stats.NO_SPREAD
    assert stats.paired([1.0, 2.0], [2.0, 3.0]).why == stats.NO_SPREAD


def test_pairs_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        stats.paired([1.0, 2.0], [1.0])


@settings(deadline=None, max_examples=20)  # one adjustment takes statsmodels 50 ms
@given(st.lists(st.one_of(st.none(), st.floats(min_value=0, max_value=1)), max_size=12))
def test_holm_is_that_of_statsmodels(p_values: list[float | None]) -> None:
    known = [p for p in p_values if p is not None]
    expected = list(multipletests(known, method="holm")[1]) if known else []
    ours = stats.holm(p_values)
    assert [p for p in ours if p is not None] == pytest.approx(expected)
    assert [p is None for p in ours] == [p is None for p in p_values]


def test_holm_worked_by_hand() -> None:
    # sorted .005 .01 .03 .04 times 4 3 2 1 gives .02 .03 .06 .04, made monotone: .02 .03 .06 .06
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@settings(deadline=None)
@given(st.floats(0.01, 2), st.integers(2, 200), st.booleans())
def test_power_is_that_of_statsmodels(effect: float, n: int, pairs: bool) -> None:
    assume(effect * math.sqrt(n) < 6)  # further out statsmodels gives NaN
    theirs = TTestPower().power(effect, n, 0.05) if pairs else TTestIndPower().power(effect, n, 0.05)
    assert stats.power_of_test(effect, 1.0, n, pairs=pairs) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(("sd", "expected"), [(0.24, 5), (0.35, 9), (0.65, 28), (0.9, 52)])
def test_seeds_for_half_a_point(sd: float, expected: int) -> None:
    exact = TTestIndPower().solve_power(0.5 / sd, power=0.8, alpha=0.05)
    assert stats.seeds_needed(0.5, sd) == math.ceil(exact) == expected


@settings(deadline=None)
@given(st.floats(0.05, 10), st.floats(0.05, 3), st.booleans())
def test_seeds_needed_are_enough_and_not_too_many(delta: float, sd: float, pairs: bool) -> None:
    n = stats.seeds_needed(delta, sd, pairs=pairs)
    if n is None:
        assert stats.power_of_test(delta, sd, stats.MAX_SEEDS, pairs=pairs) < stats.POWER
    else:
        assert stats.power_of_test(delta, sd, n, pairs=pairs) >= stats.POWER
        assert n == 2 or stats.power_of_test(delta, sd, n - 1, pairs=pairs) < stats.POWER


@pytest.mark.parametrize("n", [2, 3, 5, 30, 200])
def test_power_grows_with_the_effect_and_is_never_nan(n: int) -> None:
    powers = [stats.power_of_test(effect, 1.0, n) for effect in np.geomspace(0.01, 1e9, 200)]
    assert (np.diff(powers) >= -1e-9).all()
    assert (powers[0], powers[-1]) == pytest.approx((0.05, 1.0), abs=0.01)


def test_seeds_needed_at_the_edges() -> None:
    assert stats.seeds_needed(0.0, 0.5) is None
    assert stats.seeds_needed(1e-4, 1.0) is None
    assert stats.seeds_needed(20.0, 1e-9) == stats.seeds_needed(1.0, 0.0) == 2
    with pytest.raises(ValueError, match="standard deviation"):
        stats.seeds_needed(1.0, math.nan)


def test_pooled_sd_by_hand() -> None:
    # squares about the means: 2 and 8, degrees of freedom 2 and 2: sqrt(10 / 4); a single run adds nothing
    assert stats.pooled_sd([1, 2, 3], [4, 6, 8], [5]) == pytest.approx(math.sqrt(2.5))
    assert stats.pooled_sd([1], [2]) is None


def test_the_bootstrap_is_near_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    top, bottom = normal(rng, 68, 0.5, 12), normal(rng, 0.2, 0.01, 12)
    ours = stats.bootstrap_ratio(top, bottom)
    theirs = reference.bootstrap(
        (top, bottom), lambda a, b, axis: a.mean(axis) / b.mean(axis), paired=True, vectorized=True, method="percentile"
    ).confidence_interval
    assert ours.mean == pytest.approx(np.mean(top) / np.mean(bottom))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=0.003)
    assert stats.bootstrap_ratio(top, bottom) == ours, "the draws are fixed"


def test_the_bootstrap_of_a_constant_denominator_is_near_the_t_interval() -> None:
    top = normal(np.random.default_rng(2), 68, 0.5, 40)
    ratio, mean = stats.bootstrap_ratio(top, [0.5] * 40), stats.mean_interval(top)
    assert mean.half_width is not None
    assert (ratio.low, ratio.high) == pytest.approx(
        (2 * (mean.mean - mean.half_width), 2 * (mean.mean + mean.half_width)), rel=0.001
    )


def test_a_bootstrap_of_few_runs_or_no_ratio() -> None:
    assert stats.bootstrap_ratio([68, 69, 70, 71], [1, 1, 1, 1]).why == stats.FEW_RUNS
    assert stats.bootstrap_ratio([68], [2]).why == stats.ONE_RUN
    with pytest.raises(ValueError, match="positive"):
        stats.bootstrap_ratio([68, 69], [0, 1])


def test_the_verdicts() -> None:
    up = stats.welch([60.0, 60.1, 60.2], [70.0, 70.1, 70.2])
    assert stats.verdict(up, up.p) == "better"
    assert stats.verdict(up, up.p, larger_is_better=False) == "worse"
    assert stats.verdict(up, 0.051) == "not distinguishable"
    assert stats.verdict(up, up.p, same_network=True) == "same network"
    assert stats.verdict(stats.welch([1.0], [2.0]), None) == "not tested"


def test_the_eca_claim_is_within_noise_in_the_authors_own_logs() -> None:
    difference = stats.welch(RESNET_20, ECA)
    assert difference.delta == pytest.approx(0.46, abs=0.005)
    assert stats.verdict(difference, difference.p) == "not distinguishable"


def test_welch_holds_its_level_when_nothing_differs() -> None:
    rng = np.random.default_rng(3)
    p_values = [stats.welch(normal(rng, 0, 1, 5), normal(rng, 0, 3, 8)).p for _ in range(2000)]
    assert sum(p is not None and p < stats.ALPHA for p in p_values) == pytest.approx(100, abs=30)


@given(
    st.lists(st.integers(0, 10_000), min_size=2, max_size=6),
    st.integers(-3_000, 3_000),
)
def test_equal_differences_are_never_tested(hundredths: list[int], shift: int) -> None:
    """Accuracies of 10,000 images are hundredths of a point, which floats hold only nearly."""
    base = [value / 100 for value in hundredths]
    found = stats.paired(base, [(value + shift) / 100 for value in hundredths])
    assert found.p is None
    assert found.why == stats.NO_SPREAD
    assert found.delta == pytest.approx(shift / 100, abs=1e-9)


def test_a_mean_does_not_depend_on_the_order_of_the_seeds() -> None:
    values = [66.1, 66.2, 66.3]
    assert len({stats.mean_interval(order).mean for order in permutations(values)}) == 1
