"""Each check on claims made by hand, with what must confirm, contradict or leave open."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis import stats
from bench.audit.claims import Claim, Subject
from bench.audit.costs import MAC_TOLERANCE
from bench.audit.findings import CONFIRMED, CONTRADICTED, NOT_TESTABLE, WITHIN_NOISE
from bench.audit.times import APPROX_TOLERANCE
from bench.util.errors import BadInput
from tests.audit.builders import GOLDEN, check, claim, evidence, log, record

# Two runs of ResNet-32 put the noise at sd 0.5 with one degree of freedom; more of them bring it down.
NOISY = [log("resnet_32", 69.0 + 0.5 * step) for step in (-1, 1, -1, 1, -1, 1)]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("0.28", CONFIRMED), ("0.278", CONFIRMED), ("0.280", CONTRADICTED), ("0.278324", CONFIRMED)],
)
def test_params_are_counted(text: str, verdict: str) -> None:
    found = check(claim("resnet_20", "params", text))
    assert (found.verdict, found.by, found.evidence) == (verdict, "counted", 0.278324)


def test_params_of_a_variant_come_from_the_log() -> None:
    logs = [log("ghost_resnet_20", 56.0, params=108_980, constructor={"ratio": 3})]
    found = check(claim("ghost_resnet_20 ratio=3", "params", "0.109", "ablation_ghost_ratio"), logs=logs)
    assert (found.verdict, found.by) == (CONFIRMED, "logs")


def test_a_log_that_disagrees_with_the_count_is_reported() -> None:
    found = check(claim("resnet_20", "params", "0.28"), logs=[log("resnet_20", 66.0, params=290_000)])
    assert (found.verdict, found.by, found.disagree) == (CONFIRMED, "counted", ["logs"])


MMACS = GOLDEN["resnet_20"].macs / 1e6


@pytest.mark.parametrize(
    ("value", "verdict", "says"),
    [
        (MMACS, CONFIRMED, "the claim is the MACs"),
        (MMACS * (1 + MAC_TOLERANCE), CONFIRMED, "the claim is the MACs"),
        (MMACS * (1 + MAC_TOLERANCE) + 0.01, CONTRADICTED, "too high"),
        (2 * MMACS, CONFIRMED, "the claim is the FLOPs"),
        (3 * MMACS, CONTRADICTED, "as FLOPs +50.0 %"),
    ],
)
def test_flops_may_be_macs_and_the_answer_says_which(value: float, verdict: str, says: str) -> None:
    found = check(claim("resnet_20", "flops", f"{value:.4f}"))
    assert found.verdict == verdict
    assert found.decided is not None
    assert says in found.decided.text


def test_the_tolerance_of_macs_is_the_one_the_counters_must_meet() -> None:
    from bench.zoo.counting.cost import TOLERANCE

    assert MAC_TOLERANCE == TOLERANCE


@pytest.mark.parametrize(
    ("row", "text", "verdict"),
    [
        ("resnet_20", "no", CONFIRMED),
        ("resnet_20", "yes", CONTRADICTED),
        ("improved_resnet20_convnext", "yes", CONFIRMED),
        ("improved_resnet20_convnext", "no", CONTRADICTED),
        ("coatnet_cifar_opt", "yes", CONFIRMED),
        ("ecanet20_adaptive", "yes", CONTRADICTED),
    ],
)
def test_own_design_is_read_off_the_zoo(row: str, text: str, verdict: str) -> None:
    assert check(claim(row, "own_design", text)).verdict == verdict


def test_a_top1_in_a_log_is_confirmed_as_that_runs() -> None:
    found = check(claim("resnet_32", "top1", "69.50"), logs=NOISY)
    assert (found.verdict, found.by, found.evidence) == (CONFIRMED, "logs", 69.5)


def test_a_top1_near_the_logs_mean_is_within_noise() -> None:
    assert check(claim("resnet_32", "top1", "69.05"), logs=NOISY).verdict == WITHIN_NOISE


def test_a_top1_beyond_the_logs_is_contradicted_by_how_much() -> None:
    found = check(claim("resnet_32", "top1", "72.00"), logs=NOISY)
    assert (found.verdict, found.evidence, found.difference) == (CONTRADICTED, 69.0, 3.0)
    assert found.relative == pytest.approx(3 / 69)


def test_a_top1_between_two_runs_is_within_noise_even_beyond_the_means_interval() -> None:
    logs = [*NOISY * 20, log("resnet_32", 71.0)]
    found = check(claim("resnet_32", "top1", "70.70"), logs=logs)
    assert found.decided is not None
    assert found.verdict == WITHIN_NOISE
    assert abs(70.7 - (found.evidence or 0)) > (found.decided.half_width or 0)
    assert "between two of its runs" in found.decided.text


def test_the_interval_of_a_mean_is_inclusive_at_its_end() -> None:
    single = [log("resnet_20", 66.0), *NOISY]
    half = evidence([], single).published.accuracy_noise.half_width(1.0)
    inside, outside = f"{66.0 + half:.4f}", f"{66.0 + half + 0.001:.4f}"
    assert check(claim("resnet_20", "top1", inside), logs=single).verdict == WITHIN_NOISE
    assert check(claim("resnet_20", "top1", outside), logs=single).verdict == CONTRADICTED


def test_a_single_log_borrows_the_pooled_noise_and_says_so() -> None:
    found = check(claim("resnet_20", "top1", "66.10"), logs=[log("resnet_20", 66.0), *NOISY])
    assert found.decided is not None
    assert found.decided.n == 1
    assert "n = 1: no interval of its own" in found.decided.text


def test_a_top1_without_log_or_run_names_the_run_that_would_test_it() -> None:
    found = check(claim("hornet_tiny", "top1", "60.00"))
    assert (found.verdict, found.decided) == (NOT_TESTABLE, None)
    assert found.assessment.commands == ["composer -n 8 bench/train.py -f yamls/hornet_tiny.yaml seed=0"]


def test_our_full_length_runs_decide_where_there_is_no_log() -> None:
    runs = [record("hornet_tiny", top1, seed) for seed, top1 in enumerate((70.0, 70.4, 70.8))]
    found = check(claim("hornet_tiny", "top1", "60.00"), logs=NOISY, runs=runs)
    assert (found.verdict, found.by, found.evidence) == (CONTRADICTED, "runs", pytest.approx(70.6))
    near = check(claim("hornet_tiny", "top1", "70.50"), logs=NOISY, runs=runs)
    assert near.verdict == WITHIN_NOISE


def test_shorter_runs_are_mentioned_and_not_used() -> None:
    runs = [record("hornet_tiny", 60.0, overrides=("max_duration=30ep",))]
    found = check(claim("hornet_tiny", "top1", "60.20"), logs=NOISY, runs=runs)
    assert found.verdict == NOT_TESTABLE
    assert any("not used: 1 run of ours" in remark for remark in found.assessment.remarks)


def test_our_runs_settle_what_the_logs_leave_open_and_the_row_gives_both() -> None:
    runs = [record("resnet_32", top1, seed) for seed, top1 in enumerate((70.0, 70.02, 70.04, 70.06))]
    found = check(claim("resnet_32", "top1", "69.05"), logs=NOISY, runs=runs)
    assert (found.verdict, found.by) == (CONTRADICTED, "runs")
    logs = found.found("logs")
    assert logs is not None
    assert logs.verdict == WITHIN_NOISE


def top_claims(*gaps: str) -> list[Claim]:
    rows = ("resnet_20", "resnet_32", "resnet_56", "hornet_tiny")
    return [
        made
        for row, gap in zip(rows, gaps, strict=False)
        for made in (claim(row, "top1", "60.00"), claim(row, "top5", f"{60 + float(gap):.2f}"))
    ]


def test_a_top5_that_is_whole_points_above_top1_was_computed() -> None:
    claims = top_claims("25.00", "25.00", "26.00", "23.65")
    verdicts = [check(c, *claims).verdict for c in claims if c.metric == "top5"]
    assert verdicts == [CONTRADICTED, CONTRADICTED, CONTRADICTED, NOT_TESTABLE]


def test_a_single_whole_gap_may_be_chance() -> None:
    claims = top_claims("25.00", "24.99", "26.01", "23.65")
    assert check(claims[1], *claims).verdict == NOT_TESTABLE


def test_our_runs_judge_a_top5_that_no_log_has() -> None:
    claims = top_claims("20.01", "23.65", "22.11")
    runs = [record("resnet_20", 60.0, seed) for seed in range(2)]
    assert check(claims[1], *claims, runs=runs).verdict == CONTRADICTED
    exact = replace(claims[1], text="80.00")
    assert check(exact, *[c for c in claims if c.key != exact.key], runs=runs).verdict == CONFIRMED


def deltas(base: str, arm: str, delta: str, arm_row: str = "eca_resnet_20") -> list[Claim]:
    table = "ablation_eca_kernel"
    return [
        claim(arm_row, "delta_top1", delta, table),
        claim("resnet_20", "best_top1", base, table),
        claim(arm_row, "best_top1", arm, table),
    ]


def arms(base: float, arm: float, arm_row: str = "eca_resnet_20") -> list:
    return [*NOISY * 3, *(log("resnet_20", base) for _ in range(4)), *(log(arm_row, arm) for _ in range(4))]


@pytest.mark.parametrize(
    ("arm", "delta", "verdict"),
    [
        (66.1, "+0.10", WITHIN_NOISE),
        (66.1, "+2.00", WITHIN_NOISE),
        (68.0, "+2.00", CONFIRMED),
        (68.0, "+5.00", CONTRADICTED),
        (68.0, "-2.00", CONTRADICTED),
    ],
)
def test_a_difference_is_checked_by_the_effect_in_the_logs(arm: float, delta: str, verdict: str) -> None:
    claims = deltas("66.00", f"{66 + float(delta):.2f}", delta)
    found = check(*claims, logs=arms(66.0, arm))
    assert (found.verdict, found.by) == (verdict, "logs")


def test_a_wrong_subtraction_is_contradicted_by_arithmetic() -> None:
    found = check(*deltas("66.00", "68.00", "+2.50"), logs=arms(66.0, 68.0))
    assert (found.verdict, found.by, found.evidence) == (CONTRADICTED, "arithmetic", 2.0)


def test_a_subtraction_may_be_off_by_the_rounding_of_its_figures() -> None:
    found = check(*deltas("66.00", "68.00", "+2.01"), logs=arms(66.0, 68.0))
    assert found.verdict == CONFIRMED


def test_a_network_compared_with_itself_is_within_noise() -> None:
    claims = deltas("66.00", "68.00", "+2.00", arm_row="resnet20_no_eca")
    found = check(*claims)
    assert (found.verdict, found.by, found.evidence) == (WITHIN_NOISE, "counted", 0.0)
    assert found.decided is not None
    assert "the same network" in found.decided.text


def test_claims_on_one_network_under_two_names_lead_the_reason() -> None:
    claims = [*deltas("66.00", "68.00", "+2.00"), *deltas("66.00", "66.20", "+0.20", arm_row="ecanet20_adaptive")]
    found = check(claims[0], *claims, logs=arms(66.0, 66.1))
    assert "the same network as ecanet20_adaptive (claimed +0.20)" in found.assessment.lead


def test_our_runs_settle_a_difference() -> None:
    runs = [record("resnet_20", 66.0 + 0.01 * s, s) for s in range(4)]
    runs += [record("eca_resnet_20", 68.0 + 0.01 * s, s) for s in range(4)]
    assert check(*deltas("66.00", "68.00", "+2.00"), runs=runs, logs=NOISY).verdict == CONFIRMED
    assert check(*deltas("66.00", "67.00", "+1.00"), runs=runs, logs=NOISY).verdict == CONTRADICTED


def test_a_run_counts_once_and_only_whole_evaluations_do() -> None:
    runs = [record("resnet_20", 66.0 + seed, seed) for seed in range(2)]
    copies = [replace(run, path=Path("runs/again") / run.path.name) for run in runs]
    padded = record("resnet_20", 90.0, 2, data={"eval_samples": 10_000}, evaluated_samples=10_003)
    found = evidence([], runs=[*runs, *copies, padded])
    accuracy = found.own_accuracy(Subject.parse("resnet_20"))
    assert accuracy is not None
    assert (accuracy.n, accuracy.mean) == (2, pytest.approx(66.7))
    assert not found.unused


def test_our_difference_has_the_interval_of_the_tables() -> None:
    runs = [record("resnet_20", 66.0 + 0.5 * seed, seed) for seed in range(3)]
    runs += [record("eca_resnet_20", 67.5 + 0.5 * seed, seed) for seed in range(3)]
    found = check(*deltas("66.00", "67.50", "+1.50"), runs=runs, logs=NOISY)
    assert found.verdict == CONFIRMED
    expected = stats.welch([66.2, 66.7, 67.2], [67.7, 68.2, 68.7])
    assert expected.low is not None
    own = found.found("runs")
    assert own is not None
    assert own.half_width == pytest.approx(1.5 - expected.low)


def ranked(*pairs: tuple[str, str]) -> list[Claim]:
    return [
        made
        for place, (row, top1) in enumerate(pairs, start=1)
        for made in (claim(row, "rank", str(place)), claim(row, "top1", top1))
    ]


RANKS = ranked(("resnet_56", "74.00"), ("resnet_32", "69.00"), ("resnet_20", "68.80"), ("hornet_tiny", "60.00"))
RANK_LOGS = [*NOISY, log("resnet_56", 74.0), log("resnet_20", 69.1)]


@pytest.mark.parametrize(
    ("index", "verdict"), [(0, CONFIRMED), (2, WITHIN_NOISE), (4, WITHIN_NOISE), (6, NOT_TESTABLE)]
)
def test_a_rank_is_what_pairwise_comparisons_leave_open(index: int, verdict: str) -> None:
    assert check(RANKS[index], *RANKS, logs=RANK_LOGS).verdict == verdict


def test_a_rank_out_of_the_decks_own_order_is_contradicted_by_arithmetic() -> None:
    wrong = replace(RANKS[0], text="2")
    found = check(wrong, *RANKS[1:], logs=RANK_LOGS)
    assert (found.verdict, found.by) == (CONTRADICTED, "arithmetic")


def test_a_rank_that_the_logs_do_not_allow_is_contradicted() -> None:
    swapped = ranked(("resnet_32", "75.00"), ("resnet_56", "74.00"))
    found = check(swapped[0], *swapped, logs=RANK_LOGS)
    assert (found.verdict, found.by) == (CONTRADICTED, "logs")
    assert found.decided is not None
    assert "1 place off" in found.decided.text


def efficiency(top1: str, params: str, value: str) -> list[Claim]:
    row = "resnet_20"
    return [claim(row, "param_efficiency", value), claim(row, "top1", top1), claim(row, "params", params)]


@pytest.mark.parametrize(
    ("claims", "verdict", "by"),
    [
        (efficiency("66.00", "0.28", "235.71"), CONFIRMED, "logs"),
        (efficiency("66.00", "0.28", "239.99"), CONFIRMED, "logs"),
        (efficiency("66.00", "0.28", "231.40"), CONTRADICTED, "counted"),
        (efficiency("66.00", "0.270", "237.14"), CONTRADICTED, "arithmetic"),
        (efficiency("66.00", "0.278", "236.93"), CONTRADICTED, "arithmetic"),
        (efficiency("66.00", "0.50", "132.00"), CONTRADICTED, "counted"),
        (efficiency("80.00", "0.28", "285.71"), CONTRADICTED, "logs"),
    ],
)
def test_an_efficiency_is_as_good_as_its_division_and_its_inputs(claims: list[Claim], verdict: str, by: str) -> None:
    found = check(*claims, logs=[log("resnet_20", 66.0), *NOISY])
    assert (found.verdict, found.by) == (verdict, by)


def test_an_efficiency_without_a_run_is_not_confirmed_by_arithmetic() -> None:
    assert check(*efficiency("66.00", "0.28", "235.71")).verdict == NOT_TESTABLE


def test_mac_efficiency_uses_macs() -> None:
    row = "resnet_20"
    claims = [claim(row, "flop_efficiency", "1.626"), claim(row, "top1", "66.50"), claim(row, "flops", "40.9")]
    assert check(*claims, logs=[log(row, 66.5)]).verdict == CONFIRMED
    halved = [replace(claims[0], text="0.813"), claims[1], replace(claims[2], text="81.8")]
    assert check(*halved, logs=[log(row, 66.5)]).verdict == CONTRADICTED


def means(metric: str, value: str, *inputs: str) -> list[Claim]:
    members, source = ("resnet_20", "resnet_32", "hornet_tiny")[: len(inputs)], metric.removeprefix("mean_")
    note = f"members: {' '.join(members)}"
    mean = claim("some", metric, value, "by_technique", note=note)
    return [mean, *(claim(row, source, text) for row, text in zip(members, inputs, strict=True))]


@pytest.mark.parametrize(
    ("claims", "verdict", "by"),
    [
        (means("mean_params", "0.38", "0.28", "0.47"), CONFIRMED, "counted"),
        (means("mean_params", "0.50", "0.53", "0.47"), CONTRADICTED, "counted"),
        (means("mean_flops", "55.0", "40.9", "69.1"), CONFIRMED, "counted"),
        (means("mean_flops", "70.0", "70.0", "70.0"), CONTRADICTED, "counted"),
        (means("mean_top1", "67.75", "66.00", "69.50"), CONFIRMED, "logs"),
        (means("mean_top1", "67.60", "66.20", "69.00"), WITHIN_NOISE, "logs"),
        (means("mean_top1", "70.00", "66.00", "69.50"), CONTRADICTED, "arithmetic"),
        (means("mean_top1", "75.00", "75.00", "75.00"), CONTRADICTED, "logs"),
        (means("mean_top1", "65.17", "66.00", "69.50", "60.00"), NOT_TESTABLE, ""),
        (means("mean_train_time", "0.20", "0.20", "0.20"), CONFIRMED, "logs"),
        (means("mean_train_time", "0.40", "0.40", "0.40"), CONTRADICTED, "logs"),
        (means("mean_train_time", "0.50", "0.20", "0.20"), CONTRADICTED, "arithmetic"),
        (means("mean_train_time", "0.20", "0.20", "0.20", "0.20"), NOT_TESTABLE, ""),
    ],
)
def test_a_mean_is_the_mean_of_true_figures(claims: list[Claim], verdict: str, by: str) -> None:
    found = check(*claims, logs=[log("resnet_20", 66.0), *NOISY])
    assert (found.verdict, found.by) == (verdict, by)


@pytest.mark.parametrize(
    ("text", "approx", "verdict"),
    [
        ("0.200", False, CONFIRMED),
        ("0.201", False, WITHIN_NOISE),
        ("0.300", False, CONTRADICTED),
        (f"{0.2 * (1 + APPROX_TOLERANCE):.4f}", True, CONFIRMED),
        ("0.300", True, CONTRADICTED),
    ],
)
def test_a_time_is_checked_by_the_logs(text: str, approx: bool, verdict: str) -> None:
    logs = [
        log("resnet_20", 66.0, hours=0.1999),
        log("resnet_20", 66.0, hours=0.2045),
        log("resnet_20", 66, hours=0.1955),
    ]
    logs += [log("resnet_20", 66.0, hours=0.5, steps=8100)]
    assert check(claim("resnet_20", "train_time", text, approx=approx), logs=logs).verdict == verdict


def test_a_time_of_another_machine_tests_nothing() -> None:
    asked = claim("hornet_tiny", "train_time", "0.20")
    assert check(asked, logs=NOISY, runs=[record("hornet_tiny", 60.0)]).verdict == NOT_TESTABLE
    deck = {"device_name": "Tesla V100-SXM2-32GB", "world_size": 8}
    run = record("hornet_tiny", 60.0, machine=deck)
    assert check(asked, logs=NOISY, runs=[run]).verdict == CONFIRMED
    assert check(asked, logs=NOISY, runs=[replace(run, shared="two runs at a time")]).verdict == NOT_TESTABLE


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (claim("resnet_20", "latency", "1"), "no check for claims of table 'comparison', metric 'latency'"),
        (claim("resnet_20", "top1", "1", "comparisn"), r"comparisn.*Did you mean 'comparison top1'"),
        (claim("resnet_21", "top1", "1"), "unknown model .*resnet_21.* Did you mean 'resnet_20'"),
        (claim("some", "mean_top1", "1", "by_technique"), "its note must list"),
        (claim("resnet_20", "top5", "90.00"), "which is missing"),
    ],
)
def test_a_claim_without_a_check_is_an_error(asked: Claim, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        check(asked)
