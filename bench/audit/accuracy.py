"""Checks of accuracy: top-1 and top-5.

The deck's accuracies are those of the best epoch (where they match a log at all, they match that), so claims are
compared with best epochs; the suite's own headline is the last one.
"""

from bench.analysis import stats
from bench.audit.claims import Claim, Subject
from bench.audit.evidence import Accuracy, Evidence, command
from bench.audit.findings import CONFIRMED, CONTRADICTED, WITHIN_NOISE, Assessment, Finding, Verdict
from bench.audit.wording import counted_noun, gap

TOP1 = ("top1", "best_top1")


def check_top1(claim: Claim, evidence: Evidence) -> Assessment:
    """Check a top-1: in the authors' logs, else within the t-interval of the network's mean."""
    subject = claim.subject
    findings = [
        found for found in (_logged_top1(claim, subject, evidence), _own_top1(claim, subject, evidence)) if found
    ]
    missing = [] if evidence.logged_accuracy(subject) else [f"no log of {subject}"]
    others = [*evidence.other_figures(claim, TOP1), *_other_runs(subject, evidence)]
    remarks = [*missing, *evidence.network_caveat(subject), *others]
    return Assessment(findings, remarks, [command(subject)])


def _logged_top1(claim: Claim, subject: Subject, evidence: Evidence) -> Finding | None:
    """Return what the authors' logs say about a top-1, None without a log."""
    logged = evidence.logged_accuracy(subject)
    match = evidence.matching_run(claim, subject)
    if match:
        run, epoch = match
        text = f"the {epoch} epoch of {run.run} (best {run.best:.2f}, last {run.last:.2f})"
        extra = f"; {describe_pool(logged, subject, evidence)}" if logged and logged.n > 1 else ""
        return Finding("logs", CONFIRMED, text + extra, run.best if epoch == "best" else run.last, None, 1)
    if logged is None:
        return None
    verdict = by_interval(claim, logged)
    text = f"in no log; {describe_pool(logged, subject, evidence)}"
    if verdict == WITHIN_NOISE and not claim.holds(logged.mean, logged.half_width):
        text += ": outside the interval of the mean, between two of its runs"
    if verdict == CONTRADICTED:
        text += gap(claim, logged.mean) + _single_run(claim, logged, evidence)
    return Finding("logs", verdict, text, logged.mean, logged.half_width, logged.n)


def by_interval(claim: Claim, accuracy: Accuracy) -> Verdict:
    """Return the verdict on an accuracy that is claimed for a network, given its runs.

    Within noise is what lies in the t-interval of their mean, or between two of them: runs that have come out on both
    sides of a figure cannot contradict it.
    """
    if accuracy.kind == "runs" and claim.holds(accuracy.mean):
        return CONFIRMED
    between = accuracy.lowest <= claim.value <= accuracy.highest
    return WITHIN_NOISE if between or claim.holds(accuracy.mean, accuracy.half_width) else CONTRADICTED


def describe_pool(accuracy: Accuracy, subject: Subject, evidence: Evidence) -> str:
    """Describe the mean with its interval and n; a single run says whose noise estimate it uses."""
    noise = evidence.published.accuracy_noise
    interval = f"{accuracy.mean:.2f} ± {accuracy.half_width:.2f}"
    runs = evidence.published.pool(subject)
    if accuracy.n == 1:
        epochs = f"best {runs[0].best:.2f}, last {runs[0].last:.2f}"
        borrowed = f"no interval of its own, {interval} by the pooled seed sd {noise.sd:.2f} (df {noise.df})"
        return f"one run ({epochs}; n = 1: {borrowed})"
    span = f"{accuracy.lowest:.2f} to {accuracy.highest:.2f}"
    return f"{accuracy.n} runs of this network, best epochs {span}, mean {interval}"


def _single_run(claim: Claim, accuracy: Accuracy, evidence: Evidence) -> str:
    """Return the caveat for a claim beyond the mean's interval that one further run might still have given."""
    reach = evidence.published.accuracy_noise.half_width(1 + 1 / accuracy.n)
    if abs(claim.value - accuracy.mean) > reach:
        return ""
    return f"; one further run could differ by {reach:.2f}, but no such run is logged"


def _own_top1(claim: Claim, subject: Subject, evidence: Evidence) -> Finding | None:
    """Return what our own full-length runs of the deck's recipe say about a top-1."""
    own = evidence.own_accuracy(subject)
    if own is None:
        return None
    verdict = by_interval(claim, own)
    last = [float(run.result["top1"]) for run in evidence.own_runs(subject) if run.result]
    means = f"best epoch {own.mean:.2f} ± {own.half_width:.2f}, last {sum(last) / len(last):.2f}"
    text = f"{counted_noun(own.n, 'run')}: {means}"
    text += " (n = 1: pooled seed noise of the logs)" if own.n == 1 else ""
    text += gap(claim, own.mean) if verdict == CONTRADICTED else ""
    return Finding("runs", verdict, text, own.mean, own.half_width, own.n)


def _other_runs(subject: Subject, evidence: Evidence) -> list[str]:
    """Return remarks on logs of the same name with another recipe or network, and on our runs that are not used."""
    pool = evidence.published.pool(subject)
    remarks = []
    for run in evidence.published.named(subject):
        if run in pool:
            continue
        recipe, network = f"global batch {run.recipe.batch_size}, {run.steps:,} steps", f"{run.params:,} parameters"
        remarks.append(f"another log of that name ({network if run.deck_recipe else recipe}) has {run.best:.2f}")
    unused = [float(run.result["top1"]) for run in evidence.unused_runs(subject) if run.result]
    if unused:
        others = f"{counted_noun(len(unused), 'run')} of ours, shorter or by another recipe (up to {max(unused):.2f})"
        remarks.append(f"not used: {others}")
    return remarks


def check_top5(claim: Claim, evidence: Evidence) -> Assessment:
    """Check a top-5: if it is top-1 plus whole points, like most of its column, it was computed, not measured.

    On 10,000 images the gap between top-1 and top-5 takes any hundredth of a point, so 1 row in 100 has a whole one.
    The others need a run: no log of the authors has a top-5.
    """
    column = [c for c in evidence.claims.values() if (c.table, c.metric) == (claim.table, claim.metric)]
    gaps = {c.row: round(c.value - evidence.claimed(c.table, c.row, "top1").value, 6) for c in column}
    whole = [row for row, value in gaps.items() if value == round(value)]
    mine = gaps[claim.row]
    own = _own_top5(claim, evidence)
    findings = [own] if own else []
    if claim.row in whole and len(whole) > max(1, len(gaps) / 100):
        same = sum(value == mine for value in gaps.values())
        text = f"top-1 + {mine:.2f} exactly, as in {same} of {len(gaps)} rows; whole points in {len(whole)}, "
        text += "by chance 1 row in 100: computed from top-1, not measured"
        findings.append(Finding("arithmetic", CONTRADICTED, text, whole=False))
    remark = f"top-1 + {mine:.2f}; no log of the authors has a top-5"
    return Assessment(findings, [] if findings else [remark], [command(claim.subject)])


def _own_top5(claim: Claim, evidence: Evidence) -> Finding | None:
    """Return the top-5 of our own runs (last epoch); a single run uses the noise of the logs' top-1."""
    values = [float(run.result["top5"]) for run in evidence.own_runs(claim.subject) if run.result]
    if not values:
        return None
    estimate = stats.mean_interval(values)
    half = estimate.half_width
    if half is None:
        noise = evidence.published.accuracy_noise
        half = noise.half_width(1.0)
    verdict = by_interval(claim, Accuracy(estimate.mean, estimate.n, half, "runs", min(values), max(values)))
    text = f"{counted_noun(estimate.n, 'run')}: top-5 {estimate.mean:.2f} ± {half:.2f}"
    text += " (n = 1: pooled seed noise of the logs' top-1)" if estimate.n == 1 else ""
    return Finding(
        "runs",
        verdict,
        text + (gap(claim, estimate.mean) if verdict == CONTRADICTED else ""),
        estimate.mean,
        half,
        estimate.n,
    )
