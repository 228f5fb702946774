"""Checks of what can be counted: parameters, multiply-accumulates, their means, and whose design a model is."""

from bench.audit.claims import Claim, Subject
from bench.audit.evidence import MILLION, Evidence
from bench.audit.findings import CONFIRMED, CONTRADICTED, Assessment, Finding, Kind
from bench.audit.wording import counted_noun, gap, listed, signed
from bench.zoo.models import MODELS

# Counters differ in biases, norms and activations; the zoo's own two must agree within the same share.
MAC_TOLERANCE = 0.02


def check_params(claim: Claim, evidence: Evidence) -> Assessment:
    """Check a parameter count in millions by the built network, then by what the authors' log says it was."""
    findings = []
    if counted := evidence.counted(claim.subject):
        holds = claim.holds(counted.params / MILLION)
        text = f"{counted.params:,} parameters{'' if holds else gap(claim, counted.params / MILLION)}"
        findings.append(_finding("counted", holds, text, counted.params / MILLION))
    logged = sorted({run.params for run in evidence.published.named(claim.subject)})
    if logged:
        nearest = min(logged, key=lambda params: abs(params / MILLION - claim.value))
        holds = claim.holds(nearest / MILLION)
        text = f"{listed([f'{params:,}' for params in logged])} parameters"
        findings.append(_finding("logs", holds, text, nearest / MILLION))
    return Assessment(findings, _caveats(claim.subject, evidence))


def check_macs(claim: Claim, evidence: Evidence) -> Assessment:
    """Check a figure in the column "FLOPs (M)": as MACs within 2 %, else as FLOPs, which are twice as many."""
    counted = evidence.counted(claim.subject)
    if counted is None:
        return Assessment()
    remarks = [*_caveats(claim.subject, evidence), *evidence.other_figures(claim, (claim.metric,))]
    return Assessment([_macs_finding(claim, counted.macs / MILLION, "")], remarks)


def _macs_finding(claim: Claim, macs: float, whose: str) -> Finding:
    """Return the finding on a figure in millions that may be MACs or FLOPs."""
    both = f"{whose}{macs:,.2f} M MACs, {2 * macs:,.2f} M FLOPs"
    for value, unit, other in ((macs, "MACs", "FLOPs"), (2 * macs, "FLOPs", "MACs")):
        if claim.holds(value, MAC_TOLERANCE * value):
            text = f"{both}: the claim is the {unit} within {100 * MAC_TOLERANCE:.0f} %, not the {other}"
            return _finding("counted", True, text, value)
    as_flops = 100 * (claim.value / (2 * macs) - 1)
    nearer = f"; as FLOPs {signed(as_flops, 1)} %" if abs(as_flops) < abs(100 * (claim.value / macs - 1)) else ""
    return _finding("counted", False, both + gap(claim, macs) + nearer, macs)


def check_mean_params(claim: Claim, evidence: Evidence) -> Assessment:
    """Check a technique's mean parameter count: the mean of the deck's own figures, then of the counted ones."""
    own, mean = mean_of_claims(claim, evidence, "params"), _counted_mean(claim, evidence, "params")
    if mean is None:
        return Assessment([own])
    holds = claim.holds(mean, _input_rounding(claim, evidence, "params"))
    text = f"{_members(claim)}{mean:,.3f} M{'' if holds else gap(claim, mean)}"
    return Assessment([own, _finding("counted", holds, text, mean)])


def check_mean_macs(claim: Claim, evidence: Evidence) -> Assessment:
    """Check a technique's mean of the column "FLOPs (M)": from the deck's own figures, then from the counted MACs."""
    own, mean = mean_of_claims(claim, evidence, "flops"), _counted_mean(claim, evidence, "macs")
    return Assessment([own] if mean is None else [own, _macs_finding(claim, mean, _members(claim))])


def check_own_design(claim: Claim, evidence: Evidence) -> Assessment:
    """Check whether a model is the authors' own design, by the source of the zoo's definition.

    An own design is published in no paper: the zoo marks it as such, or names what the deck changed in a published
    network, and no published network of the zoo has its fingerprint.
    """
    row = MODELS[claim.subject.model]
    plain = [
        name for name in evidence.twins(claim.subject) if not MODELS[name].own_design and not MODELS[name].variant_of
    ]
    variant = not row.own_design and bool(row.variant_of) and not plain
    allowed = {"yes"} if row.own_design else {"yes", "no"} if variant else {"no"}
    text = f"after {row.source}{f' ({row.note})' if row.note else ''}"
    loose = variant and claim.text == "yes"
    remarks = ["a variant of a published network: the zoo files it under that family"] if loose else []
    return Assessment([_finding("definition", claim.text in allowed, text, None)], remarks)


def mean_of_claims(claim: Claim, evidence: Evidence, metric: str) -> Finding:
    """Return whether a mean is the mean of the deck's own figures, within their rounding."""
    values = [evidence.claimed("comparison", row, metric) for row in claim.members]
    mean = sum(value.value for value in values) / len(values)
    holds = claim.holds(mean, _input_rounding(claim, evidence, metric))
    text = f"the deck's own {counted_noun(len(values), 'figure')}, mean {mean:,.{claim.decimals + 1}f}"
    text += ": right within rounding" if holds else gap(claim, mean)
    return Finding("arithmetic", CONFIRMED if holds else CONTRADICTED, text, mean, whole=False)


def _input_rounding(claim: Claim, evidence: Evidence, metric: str) -> float:
    """Return how far the rounding of the members' figures may have moved their mean."""
    halves = [evidence.claimed("comparison", row, metric).half_unit for row in claim.members]
    return sum(halves) / len(halves)


def _counted_mean(claim: Claim, evidence: Evidence, figure: str) -> float | None:
    """Return the mean of a counted figure ("params", "macs") over the members in millions, None if one lacks it."""
    counted = [evidence.counted(Subject.parse(row)) for row in claim.members]
    if not counted or not all(counted):
        return None
    return sum(getattr(golden, figure) for golden in counted) / len(counted) / MILLION


def _members(claim: Claim) -> str:
    """Return the beginning of a finding on the members' mean."""
    return f"{counted_noun(len(claim.members), 'member')}, mean "


def _finding(kind: Kind, holds: bool, text: str, value: float | None) -> Finding:
    """Return a finding on the whole claim."""
    return Finding(kind, CONFIRMED if holds else CONTRADICTED, text, value)


def _caveats(subject: Subject, evidence: Evidence) -> list[str]:
    """Return the caveat for a model without a log: which network the authors trained is unknown."""
    if evidence.published.named(subject) or not evidence.counted(subject):
        return []
    return [f"no log tells which network the deck trained; counted on that of {MODELS[subject.model].source}"]
