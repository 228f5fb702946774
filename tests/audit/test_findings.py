"""How findings of different kinds become one verdict."""

from itertools import permutations

import pytest

from bench.audit.findings import (
    CONFIRMED,
    CONTRADICTED,
    NOT_TESTABLE,
    WITHIN_NOISE,
    Assessment,
    Finding,
    Kind,
    Verdict,
    decide,
)
from tests.audit.builders import claim

CLAIM = claim("resnet_20", "top1", "66.50")


def finding(kind: Kind, verdict: Verdict, *, whole: bool = True) -> Finding:
    return Finding(kind, verdict, "why", 66.0, whole=whole)


@pytest.mark.parametrize(
    ("findings", "verdict", "by", "disagree"),
    [
        ([], NOT_TESTABLE, "", []),
        ([finding("logs", CONFIRMED)], CONFIRMED, "logs", []),
        ([finding("counted", CONFIRMED), finding("logs", CONTRADICTED)], CONFIRMED, "counted", ["logs"]),
        ([finding("counted", CONTRADICTED), finding("logs", CONFIRMED)], CONTRADICTED, "counted", ["logs"]),
        ([finding("arithmetic", CONFIRMED, whole=False)], NOT_TESTABLE, "", []),
        ([finding("arithmetic", CONTRADICTED, whole=False)], CONTRADICTED, "arithmetic", []),
        ([finding("arithmetic", CONFIRMED, whole=False), finding("logs", CONTRADICTED)], CONTRADICTED, "logs", []),
        ([finding("logs", WITHIN_NOISE)], WITHIN_NOISE, "logs", []),
        ([finding("logs", WITHIN_NOISE), finding("runs", CONTRADICTED)], CONTRADICTED, "runs", []),
        ([finding("logs", WITHIN_NOISE), finding("runs", WITHIN_NOISE)], WITHIN_NOISE, "logs", []),
        ([finding("logs", WITHIN_NOISE, whole=False)], NOT_TESTABLE, "", []),
    ],
)
def test_the_most_direct_finding_that_settles_a_claim_decides(
    findings: list[Finding], verdict: str, by: str, disagree: list[str]
) -> None:
    for order in permutations(findings):
        checked = decide(CLAIM, Assessment(order))
        assert (checked.verdict, checked.by, checked.disagree) == (verdict, by, disagree)


def test_by_how_much_a_claim_misses_the_evidence() -> None:
    checked = decide(CLAIM, Assessment([finding("logs", CONTRADICTED)]))
    assert checked.difference == pytest.approx(0.5)
    assert checked.relative == pytest.approx(0.5 / 66)
    assert decide(CLAIM, Assessment()).difference is None
