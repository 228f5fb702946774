"""Checks of accuracies against each other: the differences of the ablations, and the ranks."""

from collections.abc import Sequence
from functools import cache

from bench.analysis import stats
from bench.analysis.ablations import ablation_names, load_ablation
from bench.audit.claims import Claim
from bench.audit.evidence import Accuracy, Evidence, command
from bench.audit.findings import CONFIRMED, CONTRADICTED, WITHIN_NOISE, Assessment, Finding
from bench.audit.wording import counted_noun, gap, listed, signed

# Prefix of the table of claims about an ablation, before the name of the ablation's file.
ABLATION = "ablation_"


def check_delta(claim: Claim, evidence: Evidence) -> Assessment:
    """Check an ablation's difference: the subtraction, then whether runs show an effect, and of that size."""
    base = base_row(claim.table)
    arm, reference = (evidence.claimed(claim.table, row, "best_top1") for row in (claim.row, base))
    findings = [_subtraction(claim, arm, reference)]
    if evidence.same_network(claim.subject, reference.subject):
        text = f"{claim.row} and {base} are the same network: what differs is the seed"
        findings.append(Finding("counted", WITHIN_NOISE, text, 0.0))
    for accuracy in (evidence.logged_accuracy, evidence.own_accuracy):
        one, other = accuracy(claim.subject), accuracy(reference.subject)
        if one and other:
            findings.append(_effect(claim, one, other, evidence))
    commands = [command(claim.subject), command(reference.subject)]
    return Assessment(findings, commands=commands, lead=_twin_claims(claim, evidence))


@cache
def base_row(table: str) -> str:
    """Return the row that a table's differences are relative to: the baseline in the ablation's file."""
    return load_ablation(ablation_names()[table.removeprefix(ABLATION)]).arms[0].network


def _subtraction(claim: Claim, arm: Claim, base: Claim) -> Finding:
    """Return whether a difference is that of the two printed figures."""
    difference = arm.value - base.value
    holds = claim.holds(difference, arm.half_unit + base.half_unit)
    text = f"{arm.text} − {base.text} = {signed(difference, claim.decimals)}"
    text += "" if holds else gap(claim, difference)
    return Finding("arithmetic", CONFIRMED if holds else CONTRADICTED, text, difference, whole=False)


def _effect(claim: Claim, arm: Accuracy, base: Accuracy, evidence: Evidence) -> Finding:
    """Return what runs say about a claimed difference: no effect, an effect of that size, or of another size.

    The authors' runs share one pooled noise estimate, which single runs of ours borrow; several of ours have Welch's
    interval.
    """
    delta = arm.mean - base.mean
    pooled = evidence.published.accuracy_noise.half_width(1 / arm.n + 1 / base.n)
    test = stats.welch(base.values, arm.values) if base.values and arm.values else None
    half = pooled if test is None or test.low is None or test.high is None else (test.high - test.low) / 2
    text = f"{signed(delta, 2)} ± {half:.2f} (n = {arm.n} and {base.n})"
    inside = claim.holds(delta, half)
    if abs(delta) <= half:
        text += ": no difference shown" + ("" if inside else ", and one as large as claimed excluded")
        return Finding(arm.kind, WITHIN_NOISE, text + _seeds(claim, evidence, inside), delta, half, arm.n + base.n)
    verdict = CONFIRMED if inside else CONTRADICTED
    text += ": an effect of this size" if inside else gap(claim, delta)
    return Finding(arm.kind, verdict, text, delta, half, arm.n + base.n)


def _seeds(claim: Claim, evidence: Evidence, inside: bool) -> str:
    """Return how many seeds are needed to detect a difference as large as claimed."""
    seeds = stats.seeds_needed(claim.value, evidence.published.accuracy_noise.sd) if inside else None
    return f"; {seeds} seeds an arm would settle it (80 % power)" if seeds else ""


def _twin_claims(claim: Claim, evidence: Evidence) -> str:
    """Return the differences that the deck claims for the same network under other names, and its spread."""
    twins = evidence.twins(claim.subject)
    others = [c for c in evidence.claims.values() if c.metric == claim.metric and c.row in twins]
    if not others:
        return ""
    bests = [run.best for run in evidence.published.pool(claim.subject)]
    names = listed([f"{c.row} (claimed {c.text})" for c in others])
    spread = f": its {len(bests)} logged runs span {min(bests):.2f} to {max(bests):.2f}" if len(bests) > 1 else ""
    return f"the same network as {names} (equal fingerprints){spread}"


def check_rank(claim: Claim, evidence: Evidence) -> Assessment:
    """Check a rank: the order of the deck's own top-1, then the ranks that the logged accuracies allow."""
    column = [c for c in evidence.claims.values() if (c.table, c.metric) == (claim.table, "top1")]
    mine = evidence.claimed(claim.table, claim.row, "top1").value
    place = 1 + sum(c.value > mine for c in column)
    holds = claim.value == place
    text = f"place {place} in the order of the deck's own top-1"
    findings = [Finding("arithmetic", CONFIRMED if holds else CONTRADICTED, text, float(place), whole=False)]
    if mine_logged := evidence.accuracy(claim.subject):
        others = [c for c in column if c.row != claim.row]
        findings.append(_places(claim, mine_logged, [_other_accuracy(c, evidence) for c in others], evidence))
    remarks = [] if mine_logged else [f"no log of {claim.row}"]
    return Assessment(findings, remarks, [command(claim.subject)])


def _other_accuracy(claim: Claim, evidence: Evidence) -> Accuracy:
    """Return the accuracy of another row; without evidence, the claimed one as that of a single run."""
    half, value = evidence.published.accuracy_noise.half_width(1.0), claim.value
    return evidence.accuracy(claim.subject) or Accuracy(value, 1, half, "logs", value, value)


def _places(claim: Claim, mine: Accuracy, others: Sequence[Accuracy], evidence: Evidence) -> Finding:
    """Return the possible ranks of a row: below rows that are significantly better, above those significantly worse."""
    noise = evidence.published.accuracy_noise
    limits = [noise.half_width(1 / mine.n + 1 / other.n) for other in others]
    better = sum(other.mean - mine.mean > limit for other, limit in zip(others, limits, strict=True))
    worse = sum(mine.mean - other.mean > limit for other, limit in zip(others, limits, strict=True))
    first, last = 1 + better, 1 + len(others) - worse
    sole = CONFIRMED if first == last else WITHIN_NOISE
    off = max(first - claim.value, claim.value - last, 0)
    text = f"mean {mine.mean:.2f}: place {first}" + (f" to {last}" if last > first else "")
    text += f"; the claim is {counted_noun(int(off), 'place')} off" if off else ""
    return Finding(mine.kind, CONTRADICTED if off else sole, text, n=mine.n)
