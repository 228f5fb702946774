"""Short runs stand beside the claims: of one recipe, by place and paired difference, and without a verdict."""

from statistics import fmean

import pytest
from scipy.stats import spearmanr, ttest_rel

from bench.audit.claims import read_claims
from bench.audit.registry import check_all
from bench.audit.report import Report, to_markdown
from bench.audit.short_runs import find_short_runs, places, short_runs_section
from bench.records import RunRecord
from tests.audit.builders import evidence, record

CLAIMS = read_claims()
SHORT = ("base=recipes/fast_10ep.yaml",)
TOP1 = {"resnet_20": 60.0, "resnet_32": 62.0, "resnet_56": 61.0, "ecanet20_fixed_k5": 60.5}


def short_run(model: str, seed: int = 0, more: float = 0.0, *overrides: str) -> RunRecord:
    return record(model, TOP1[model] + more, seed, (*SHORT, *overrides), training={"steps": 1950})


RUNS = [short_run(model) for model in TOP1]


def section(*runs: RunRecord) -> str:
    return "\n\n".join(short_runs_section(evidence(CLAIMS, runs=runs)))


def test_networks_are_listed_by_the_deck_s_place_with_ours_beside() -> None:
    text = section(*RUNS)
    assert "10ep (1950 steps) in place of 300ep" in text
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    assert [line.split("|")[1].strip(" `") for line in lines[:3]] == ["resnet_56", "resnet_32", "resnet_20"]
    assert lines[0].split("|")[2:7] == [" 72.50 ", " 1 ", " 61.00 ", " 1 ", " 2 "]
    assert "ρ = 0.50" in text


def test_a_network_under_several_names_counts_once() -> None:
    tops = {"resnet_20": 60.0, "eca_resnet_20": 61.0, "resnet_32": 63.0, "resnet_56": 62.0}
    names = ["eca_resnet_20", "ecanet20_adaptive", "ecanet20_fixed_k3"]
    text = section(*(record(model, top1, 0, SHORT, training={"steps": 1950}) for model, top1 in tops.items()))
    assert all(f"| `{name}` |" in text for name in names)
    assert "The two orders of the 4 distinct networks (by fingerprint) in these 6 rows agree" in text
    claimed = {claim.row: claim.value for claim in CLAIMS if (claim.table, claim.metric) == ("comparison", "top1")}
    theirs = [claimed["resnet_20"], fmean(claimed[name] for name in names), claimed["resnet_32"], claimed["resnet_56"]]
    assert f"ρ = {spearmanr(theirs, list(tops.values())).statistic:.2f}:" in text


def test_a_claimed_difference_has_ours_over_common_seeds() -> None:
    pairs = [(0.0, 0.0), (0.4, 0.9), (-0.3, -0.1)]
    base = [short_run("resnet_20", seed, more) for seed, (more, _) in enumerate(pairs)]
    arm = [short_run("ecanet20_fixed_k5", seed, more) for seed, (_, more) in enumerate(pairs)]
    ends = ttest_rel([60.5 + b for _, b in pairs], [60.0 + a for a, _ in pairs]).confidence_interval(0.95)
    assert f"+0.73 [+{ends.low:.2f}, +{ends.high:.2f}] | 3 | a difference" in section(*base, *arm, RUNS[1], RUNS[2])


def test_one_pair_has_no_interval() -> None:
    assert "+0.50 | 1 | 1 pair of runs: no interval" in section(*RUNS)


@pytest.mark.parametrize(
    "runs",
    [
        RUNS[:2],
        # One network under three names.
        [RUNS[0], record("eca_resnet_20", 61.0, 0, SHORT, training={"steps": 1950})],
        [*RUNS[:2], short_run("resnet_56", 0, 0.0, "batch_size=512")],
        [*RUNS[:2], short_run("resnet_56", 0, 0.0, "data.name=shapes100")],
        [*RUNS[:2], short_run("resnet_56", 0, 0.0, "data.split=tuning")],
    ],
)
def test_fewer_than_three_networks_by_one_recipe_on_the_test_images_are_no_comparison(runs: list[RunRecord]) -> None:
    assert find_short_runs(evidence(CLAIMS, runs=runs)) is None
    assert section(*runs) == ""


def test_short_runs_change_no_verdict() -> None:
    without, beside = (evidence(CLAIMS, runs=runs) for runs in ([], RUNS))
    verdicts = [[checked.verdict for checked in check_all(CLAIMS, e)] for e in (without, beside)]
    assert verdicts[0] == verdicts[1]
    assert "Our short runs" in to_markdown(
        Report(check_all(CLAIMS, beside), beside, "bench.audit", "commit"), whole=False
    )


def test_equal_values_share_a_place() -> None:
    assert places([1.0, 3.0, 3.0, 2.0]) == [4, 1, 1, 3]
