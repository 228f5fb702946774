"""The verdicts on the deck itself: every claim gets one, and those that the project is about come out as they must."""

from collections import Counter
from pathlib import Path

import pytest

from bench.audit.claims import read_claims
from bench.audit.evidence import Evidence
from bench.audit.findings import CONFIRMED, CONTRADICTED, NOT_TESTABLE, VERDICTS, WITHIN_NOISE, CheckedClaim
from bench.audit.key_findings import KEY_FINDINGS
from bench.audit.published import read_published
from bench.audit.registry import CHECKS, check_all, kind_of
from bench.audit.report import reason
from tests.audit.builders import GOLDEN

REPOSITORY = Path(__file__).resolve().parents[2]
CLAIMS = read_claims()
EVIDENCE = Evidence({claim.key: claim for claim in CLAIMS}, read_published(GOLDEN))
CHECKED = check_all(CLAIMS, EVIDENCE)
BY_KEY: dict[tuple[str, str, str], CheckedClaim] = {j.claim.key: j for j in CHECKED}


def found(row: str, metric: str, table: str = "comparison") -> CheckedClaim:
    return BY_KEY[table, row, metric]


def test_each_of_the_280_claims_gets_exactly_one_verdict() -> None:
    assert [j.claim for j in CHECKED] == CLAIMS
    assert len(BY_KEY) == 280
    assert {j.verdict for j in CHECKED} == set(VERDICTS)


def test_every_check_has_a_claim_and_every_kind_of_claim_a_check() -> None:
    assert {kind_of(claim) for claim in CLAIMS} == set(CHECKS)


def test_a_verdict_says_what_it_rests_on_or_what_would_test_it() -> None:
    for checked in CHECKED:
        assert reason(checked), checked.claim.key
        if checked.decided:
            assert checked.decided.verdict == checked.verdict
        else:
            assert checked.verdict == NOT_TESTABLE
            commands = checked.assessment.commands
            assert commands
            assert all((REPOSITORY / command.split(" -f ")[1].split()[0]).is_file() for command in commands)


def test_the_eca_effect_is_noise_on_one_network() -> None:
    checked = found("ecanet20_adaptive", "delta_top1", "ablation_eca_kernel")
    assert checked.claim.text == "+1.58"
    assert checked.verdict == WITHIN_NOISE
    assert checked.evidence == pytest.approx(67.0114 - 66.8033, abs=1e-4)
    assert "the same network as ecanet20_fixed_k3 (claimed +0.34)" in reason(checked)
    assert "equal fingerprints" in reason(checked)
    assert "66.27 to 68.08" in reason(checked)


def test_the_contradictions_that_the_project_is_about() -> None:
    coatnet, convnext = found("coatnet_0", "params"), found("convnext_tiny", "flops")
    assert (coatnet.verdict, coatnet.by, coatnet.evidence) == (CONTRADICTED, "counted", 26.312964)
    assert coatnet.difference == pytest.approx(20.04 - 26.312964)
    assert (convnext.verdict, convnext.by, convnext.evidence) == (CONTRADICTED, "counted", 90.990336)
    assert found("resnet_56", "top1").difference == pytest.approx(72.50 - 74.08)
    assert found("ghost_resnet_20", "top1").verdict == CONTRADICTED


def test_top5_was_computed_from_top1_wherever_the_gap_is_whole() -> None:
    column = [j for j in CHECKED if j.claim.metric == "top5"]
    assert Counter(j.verdict for j in column) == {CONTRADICTED: 18, NOT_TESTABLE: 3}
    assert {j.claim.row for j in column if j.verdict == NOT_TESTABLE} == {"eca_resnet_20", "resnet_20", "ghostnet_100"}
    assert all(
        "top-1 + 25.00 exactly, as in 16 of 21 rows" in reason(j) for j in column if j.claim.row == "hornet_tiny"
    )


def test_figures_without_a_log_are_not_testable_yet() -> None:
    for metric in ("top1", "rank", "train_time"):
        assert found("hornet_tiny", metric).verdict == NOT_TESTABLE
    assert found("hybrid_and_advanced", "mean_top1", "by_technique").verdict == NOT_TESTABLE


def test_the_flops_column_is_macs_where_it_is_right() -> None:
    right = [j for j in CHECKED if j.claim.metric == "flops" and j.verdict == CONFIRMED]
    assert {j.claim.row for j in right} == {"resnet_20", "resnet_32", "resnet_56", "eca_resnet_32"}
    assert all("the claim is the MACs within 2 %" in reason(j) for j in right)


def test_a_log_of_another_network_is_reported() -> None:
    assert found("cspresnet50", "params").disagree == ["logs"]
    for metric in ("top1", "param_efficiency", "train_time"):
        assert "another network (25,208,356 parameters, not 20,693,668)" in reason(found("cspresnet50", metric))


def test_arithmetic_inside_the_deck() -> None:
    wrong = {
        (j.claim.row, j.claim.metric)
        for j in CHECKED
        if (f := j.found("arithmetic")) and f.verdict == CONTRADICTED and j.claim.metric != "top5"
    }
    assert wrong == {
        ("lightweight", "mean_top1"),
        ("lightweight", "mean_params"),
        ("hybrid_and_advanced", "mean_flops"),
    }


def test_every_key_finding_has_an_instance_in_the_deck_and_none_without_claims() -> None:
    key_findings = [key_finding(CHECKED, EVIDENCE) for key_finding in KEY_FINDINGS]
    assert all(key_finding and key_finding.startswith("### ") for key_finding in key_findings)
    assert [key_finding([], Evidence({}, type(EVIDENCE.published)([], GOLDEN))) for key_finding in KEY_FINDINGS] == [
        None
    ] * len(KEY_FINDINGS)


def test_the_key_findings_carry_their_figures() -> None:
    text = "\n".join(key_finding(CHECKED, EVIDENCE) or "" for key_finding in KEY_FINDINGS)
    for figures in (
        "72.50, 71.00, 69.50, 68.00 and 66.50 go down in equal steps of 1.50",
        "6,628 of 10,003 images: on 7 GPUs",
        "| `coatnet_0` | 20.04 | 26.31 |",
        "| `convnext_tiny` | 1247.3 | 91.0 | 13.71 × |",
        "35.16 in comparison, 59.53 in ablation_ghost_ratio",
        "63.15 with a global batch of 512 (29,100 steps), 58.68 with a global batch of 2,048 (7,200 steps)",
    ):
        assert figures in text
