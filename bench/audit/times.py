"""Checks of training times, single and mean."""

from collections.abc import Sequence

from bench.audit.claims import Claim, Subject
from bench.audit.costs import mean_of_claims
from bench.audit.evidence import Evidence, command
from bench.audit.findings import CONFIRMED, CONTRADICTED, WITHIN_NOISE, Assessment, Finding, Kind, decide
from bench.audit.published import PublishedRun
from bench.audit.wording import counted_noun, gap, listed

# For claims that the deck itself marks as approximate.
APPROX_TOLERANCE = 0.05
DECK_GPU, DECK_GPUS = "V100", 8


def check_train_time(claim: Claim, evidence: Evidence) -> Assessment:
    """Check a training time by the authors' logs; ours count only if measured on the deck's kind of machine."""
    subject = claim.subject
    logged, ours = evidence.published.pool(subject), _own_hours(claim, evidence)
    findings = [_logged_hours(claim, logged, evidence)] if logged else []
    if ours:
        findings.append(_hours(claim, "runs", ours, evidence))
    where = f"on {DECK_GPUS} {DECK_GPU}s, since a time holds for the machine it was measured on"
    missing = [] if findings else [f"no log of {subject}; a run has to be made {where}"]
    return Assessment(findings, [*missing, *evidence.network_caveat(subject)], [command(subject)])


def _own_hours(claim: Claim, evidence: Evidence) -> list[float]:
    """Return the training hours of our runs on the deck's kind of machine, which they did not share."""
    hours = []
    for run in evidence.own_runs(claim.subject):
        result = run.result or {}
        machine = result.get("machine") or {}
        deck_machine = DECK_GPU in str(machine.get("device_name")) and machine.get("world_size") == DECK_GPUS
        if deck_machine and not run.shared:
            hours.append(float(result["seconds"]["train"]) / 3600)
    return hours


def _logged_hours(claim: Claim, pool: Sequence[PublishedRun], evidence: Evidence) -> Finding:
    """Return what the logged hours say: the claim is one of them, or near their mean, or neither."""
    for run in [*evidence.published.named(claim.subject), *pool]:
        if claim.holds(run.hours):
            return Finding("logs", CONFIRMED, f"{run.run}: {run.hours:.5f} h", run.hours, n=1)
    full = [run.hours for run in pool if run.steps == min(r.steps for r in pool)]
    return _hours(claim, "logs", full, evidence)


def _hours(claim: Claim, kind: Kind, hours: Sequence[float], evidence: Evidence) -> Finding:
    """Return the finding on a time from the mean of some runs and the pooled noise of repeated runs."""
    mean = sum(hours) / len(hours)
    half = mean * evidence.published.time_noise.half_width(1 / len(hours))
    borrowed = " (n = 1: pooled noise of repeated runs)" if len(hours) == 1 else ""
    return _about(claim, f"{counted_noun(len(hours), 'run')}{borrowed}, ", mean, half, kind, len(hours))


def _about(claim: Claim, whose: str, mean: float, half: float, kind: Kind, n: int | None) -> Finding:
    """Return the finding on a time: near the mean if approximate, else within its interval, else neither."""
    text = f"{whose}mean {mean:.3f} ± {half:.3f} h"
    if claim.holds(mean, APPROX_TOLERANCE * mean if claim.approx else 0.0):
        about = f": within the {100 * APPROX_TOLERANCE:.0f} % that “about” is given" if claim.approx else ""
        return Finding(kind, CONFIRMED, text + about, mean, half, n)
    if claim.holds(mean, half):
        return Finding(kind, WITHIN_NOISE, text, mean, half, n)
    return Finding(kind, CONTRADICTED, text + gap(claim, mean), mean, half, n)


def check_mean_train_time(claim: Claim, evidence: Evidence) -> Assessment:
    """Check a technique's mean training time: the mean of the deck's own figures, then of the logged times."""
    findings = [mean_of_claims(claim, evidence, "train_time")]
    times = {row: _true_time(evidence.claimed("comparison", row, "train_time"), evidence) for row in claim.members}
    missing = [Subject.parse(row) for row, time in times.items() if time is None]
    if missing:
        names = listed([str(subject) for subject in missing])
        return Assessment(findings, [f"no log of {names}"], [command(subject) for subject in missing])
    known = [time for time in times.values() if time is not None]
    mean = sum(value for value, _ in known) / len(known)
    half = sum(half**2 for _, half in known) ** 0.5 / len(known)
    return Assessment([*findings, _about(claim, f"{counted_noun(len(known), 'member')}, ", mean, half, "logs", None)])


def _true_time(claim: Claim, evidence: Evidence) -> tuple[float, float] | None:
    """Return a model's logged training time and half its interval; None without a log."""
    checked = decide(claim, check_train_time(claim, evidence))
    found = checked.decided
    return None if found is None or found.value is None else (found.value, found.half_width or 0.0)
