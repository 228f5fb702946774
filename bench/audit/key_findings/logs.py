"""Key findings from the authors' own logs."""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil

from bench.audit.claims import Claim
from bench.audit.evidence import Evidence
from bench.audit.findings import CONFIRMED, CONTRADICTED, NOT_TESTABLE, Finding
from bench.audit.key_findings.parts import CheckedClaims, column_of, worst
from bench.audit.published import PublishedRun
from bench.audit.wording import listed, signed
from bench.util.markdown import code, escape, markdown_table

# CIFAR-100's test set, and its training set.
TEST_IMAGES, TRAIN_IMAGES = 10_000, 50_000


def typed_accuracies(checked_claims: CheckedClaims, evidence: Evidence) -> str | None:
    """Report which accuracies are in no log although the model has one."""
    typed = [
        c for c in column_of(checked_claims, "comparison", "top1") if (f := c.found("logs")) and f.verdict != CONFIRMED
    ]
    if not typed:
        return None
    rows = [_typed_row(c.claim, found) for c in typed if (found := c.found("logs"))]
    header = ["Row", "claimed", "best epoch in the logs", "n", "claim − logs", "verdict"]
    steps = _progression([c.claim for c in typed])
    note = f"\n\n{steps}" if steps else ""
    return f"### Accuracies that no log holds\n\n{markdown_table(header, rows, right=(1, 2, 3, 4))}{note}"


def _typed_row(claim: Claim, found: Finding) -> list[str]:
    """Return a claimed accuracy beside the logs' as the cells of a row."""
    value, half = found.value or 0.0, found.half_width or 0.0
    figures = [claim.text, f"{value:.2f} ± {half:.2f}", str(found.n), signed(claim.value - value, 2), found.verdict]
    return [code(claim.row), *(escape(figure) for figure in figures)]


def _progression(claims: Sequence[Claim]) -> str:
    """Return a remark if at least four figures in a row go down in equal steps."""
    ordered = sorted(claims, key=lambda claim: -claim.value)
    for first in range(len(ordered)):
        for last in range(len(ordered), first + 3, -1):
            part = ordered[first:last]
            steps = {round(a.value - b.value, 6) for a, b in pairwise(part)}
            if len(steps) == 1:
                figures = listed([claim.text for claim in part])
                return f"{figures} go down in equal steps of {steps.pop():.2f} points, which measurements do not."
    return ""


def no_log(checked_claims: CheckedClaims, evidence: Evidence) -> str | None:
    """Report which models have an accuracy and no log."""
    missing = [c for c in column_of(checked_claims, "comparison", "top1") if c.verdict == NOT_TESTABLE]
    lines = [f"- {code(c.claim.row)} {escape(c.claim.text)}: {code(c.assessment.commands[0])}" for c in missing]
    head = "### Results without a run\n\nThe authors' published logs have none of these models. What would test them:"
    return head + "\n\n" + "\n".join(lines) if lines else None


def best_epochs(checked_claims: CheckedClaims, evidence: Evidence) -> str | None:
    """Report that the logged accuracies are those of the best epoch on the test set."""
    matches = [
        run
        for c in checked_claims
        if c.claim.metric in ("top1", "best_top1") and (run := evidence.matching_run(c.claim, c.claim.subject))
    ]
    best = [run for run, epoch in matches if epoch == "best" and run.last != run.best]
    if not best:
        return None
    drop = [run.best - run.last for run in best]
    return (
        f"### Best epochs, chosen on the test set\n\nOf {len(matches)} accuracies that a log holds, {len(best)} are "
        f"the best epoch's and not the last one's, which is {sum(drop) / len(drop):.2f} points lower on average and up "
        f"to {max(drop):.2f}."
    )


def invented_times(checked_claims: CheckedClaims, evidence: Evidence) -> str | None:
    """Report which training times the logs contradict."""
    column = column_of(checked_claims, "comparison", "train_time")
    wrong = [c for c in column if c.verdict == CONTRADICTED]
    return f"### Training times\n\n{worst(wrong, 'logged', 'h')}" if wrong else None


def steps_decide(checked_claims: CheckedClaims, evidence: Evidence) -> str | None:
    """Report the effect of another batch size alone on an accuracy."""
    lines = []
    for run in evidence.published.runs:
        usual = [other for other in evidence.published.named_like(run) if other.deck_recipe and not run.deck_recipe]
        lines += [f"- {code(run.model)}: {_by_batch(run)}, {_by_batch(other)}" for other in usual]
    return "### The recipe outweighs the architecture\n\n" + "\n".join(lines) if lines else None


def _by_batch(run: PublishedRun) -> str:
    """Return a run's accuracy with its batch and steps."""
    return f"{run.best:.2f} with a global batch of {run.recipe.batch_size:,} ({run.steps:,} steps)"


def padded_test_set(checked_claims: CheckedClaims, evidence: Evidence) -> str | None:
    """Report which logs evaluated a padded test set: their accuracy is not a multiple of 1 / 10,000."""
    lines = [line for run in evidence.published.runs if (line := _padded(run))]
    return "### A padded test set\n\n" + "\n".join(lines) if lines else None


def _padded(run: PublishedRun) -> str:
    """Return the remark on a run whose accuracy is a fraction of a padded test set, empty for any other."""
    if abs(run.best * 100 - round(run.best * 100)) < 1e-6:
        return ""
    per_gpu, per_epoch = run.batch_per_gpu, run.steps // run.epochs
    for gpus in range(2, 17):
        images = gpus * ceil(TEST_IMAGES / gpus)
        correct = round(run.best * images / 100)
        if TRAIN_IMAGES // gpus // per_gpu == per_epoch and abs(100 * correct / images - run.best) < 5e-5:
            where = f"{correct:,} of {images:,} images: on {gpus} GPUs the sampler repeats {images - TEST_IMAGES}"
            return f"- {code(run.model)} {code(run.run)}: {run.best:.4f} % is {where}"
    return ""
