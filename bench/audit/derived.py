"""Checks of what follows from other figures: the efficiency columns and the mean accuracies.

A derived figure is checked twice: is the arithmetic right, and do its inputs hold? A right division of wrong inputs
is still a wrong figure, so arithmetic can contradict such a claim but not confirm it.
"""

from collections.abc import Callable, Sequence

from bench.audit.accuracy import check_top1
from bench.audit.claims import Claim, Subject
from bench.audit.costs import MAC_TOLERANCE, mean_of_claims
from bench.audit.evidence import MILLION, Evidence, command
from bench.audit.findings import CONFIRMED, CONTRADICTED, WITHIN_NOISE, Assessment, Finding
from bench.audit.wording import counted_noun, gap, listed
from bench.zoo.counting.golden import Golden


def check_param_efficiency(claim: Claim, evidence: Evidence) -> Assessment:
    """Check top-1 per million parameters."""
    return _check_efficiency(claim, evidence, "params", lambda golden: golden.params, 0.0)


def check_mac_efficiency(claim: Claim, evidence: Evidence) -> Assessment:
    """Check top-1 per million MACs (the deck's "FLOPs")."""
    return _check_efficiency(claim, evidence, "flops", lambda golden: golden.macs, MAC_TOLERANCE)


def _check_efficiency(
    claim: Claim, evidence: Evidence, cost: str, count: Callable[[Golden], int], share: float
) -> Assessment:
    """Check a quotient: over the counted divisor, from the deck's own figures, and with the top-1 of logs and runs."""
    top1, divisor = evidence.claimed(claim.table, claim.row, "top1"), evidence.claimed(claim.table, claim.row, cost)
    findings = [_division(claim, top1, divisor)]
    counted = evidence.counted(claim.subject)
    true_cost = count(counted) / MILLION if counted else divisor.value
    if counted:
        findings.append(_over_counted(claim, top1, divisor, true_cost, share))
    accuracy = check_top1(top1, evidence)
    cost_holds = all(finding.verdict == CONFIRMED for finding in findings)
    findings += [_with_top1(claim, finding, true_cost, cost_holds) for finding in accuracy.findings]
    missing = [] if accuracy.findings else [f"no log of {claim.subject}"]
    return Assessment(findings, [*missing, *evidence.network_caveat(claim.subject)], accuracy.commands)


def _division(claim: Claim, top1: Claim, divisor: Claim) -> Finding:
    """Return whether the division is right, given the rounding of both printed figures."""
    low = (top1.value - top1.half_unit) / (divisor.value + divisor.half_unit)
    high = (top1.value + top1.half_unit) / (divisor.value - divisor.half_unit)
    quotient = top1.value / divisor.value
    holds = low - claim.half_unit <= claim.value <= high + claim.half_unit
    text = f"{top1.text} / {divisor.text} = {quotient:,.{claim.decimals}f}"
    text += ", right within rounding" if holds else gap(claim, quotient)
    return Finding("arithmetic", CONFIRMED if holds else CONTRADICTED, text, quotient, whole=False)


def _over_counted(claim: Claim, top1: Claim, divisor: Claim, cost: float, share: float) -> Finding:
    """Return the quotient with the counted divisor; it tests the divisor alone, so it cannot confirm."""
    quotient = top1.value / cost
    tolerance = quotient * max(share, divisor.half_unit / divisor.value) + top1.half_unit / cost
    holds = claim.holds(quotient, tolerance)
    text = f"{top1.text} / {cost:.6g} = {quotient:,.{claim.decimals}f}"
    verdict = CONFIRMED if holds else CONTRADICTED
    return Finding("counted", verdict, text + ("" if holds else gap(claim, quotient)), quotient, whole=False)


def _with_top1(claim: Claim, top1: Finding, cost: float, cost_holds: bool) -> Finding:
    """Return the quotient with the top-1 from the evidence; it covers only a part of the claim if the cost is wrong."""
    assert top1.value is not None, "a finding on a top-1 has a figure"
    quotient = top1.value / cost
    half = None if top1.half_width is None else top1.half_width / cost
    texts = {CONFIRMED: f"the top-1 {top1.value:.2f} holds", WITHIN_NOISE: "the top-1 is within noise"}
    wrong = f"with the top-1 {top1.value:.2f}: {quotient:,.{claim.decimals}f}{gap(claim, quotient)}"
    return Finding(top1.kind, top1.verdict, texts.get(top1.verdict, wrong), quotient, half, top1.n, whole=cost_holds)


def check_mean_top1(claim: Claim, evidence: Evidence) -> Assessment:
    """Check a technique's mean top-1: the mean of the deck's own figures, then of logged or our own ones."""
    findings = [mean_of_claims(claim, evidence, "top1")]
    subjects = [Subject.parse(row) for row in claim.members]
    missing = [subject for subject in subjects if not evidence.accuracy(subject)]
    if missing:
        names = listed([str(subject) for subject in missing])
        return Assessment(findings, [f"no log of {names}"], [command(subject) for subject in missing])
    findings.append(_mean_accuracy(claim, subjects, evidence))
    return Assessment(findings)


def _mean_accuracy(claim: Claim, subjects: Sequence[Subject], evidence: Evidence) -> Finding:
    """Return the mean over members: a member's logged figure where it is claimed, else the mean of its runs ± noise."""
    total = variance = 0.0
    for subject in subjects:
        top1 = evidence.claimed("comparison", str(subject), "top1")
        known = evidence.accuracy(subject)
        assert known is not None, "members without evidence were filtered out"
        exact = evidence.matching_run(top1, subject)
        total += top1.value if exact else known.mean
        variance += 0.0 if exact else 1 / known.n
    mean = total / len(subjects)
    half = evidence.published.accuracy_noise.half_width(variance) / len(subjects)
    verdict = CONFIRMED if claim.holds(mean) else WITHIN_NOISE if claim.holds(mean, half) else CONTRADICTED
    text = f"{counted_noun(len(subjects), 'member')}, mean {mean:.2f}" + (f" ± {half:.2f}" if half else "")
    return Finding("logs", verdict, text + (gap(claim, mean) if verdict == CONTRADICTED else ""), mean, half or None)
