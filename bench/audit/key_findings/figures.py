"""Key findings: figures that are contradicted by counts, arithmetic or another table of the deck."""

from bench.audit.differences import base_row
from bench.audit.evidence import Evidence
from bench.audit.findings import CONFIRMED, CONTRADICTED, CheckedClaim
from bench.audit.key_findings.parts import CheckedClaims, column_of, names, worst
from bench.audit.wording import listed, minus
from bench.util.markdown import code, escape


def computed_top5(checked_claims: CheckedClaims, evidence: Evidence) -> str | None:
    """Report that the top-5 column was computed from top-1."""
    column = column_of(checked_claims, "comparison", "top5")
    computed = [c for c in column if c.by == "arithmetic"]
    if not computed:
        return None
    gaps = [round(c.claim.value - evidence.claimed("comparison", c.claim.row, "top1").value, 2) for c in computed]
    usual = max(set(gaps), key=gaps.count)
    top1 = sorted(evidence.claimed("comparison", c.claim.row, "top1").value for c in computed)
    return (
        f"### The top-5 column was computed, not measured\n\n{gaps.count(usual)} of {len(column)} top-5 figures are "
        f"their row's top-1 + {usual:.2f} to the digit, and {len(computed)} are top-1 plus a whole number of points, "
        f"while top-1 goes from {top1[0]:.2f} to {top1[-1]:.2f}. Of measured gaps 1 in 100 is whole, and none stays "
        f"the same over {top1[-1] - top1[0]:.0f} points of top-1. No log of the authors has a top-5."
    )


def one_network_many_claims(checked_claims: CheckedClaims, evidence: Evidence) -> str | None:
    """Report where an ablation compares a network with itself."""
    deltas = [c for c in checked_claims if c.claim.metric == "delta_top1"]
    groups: dict[str, list[CheckedClaim]] = {}
    for checked in deltas:
        if fingerprint := evidence.published.fingerprint(checked.claim.subject):
            groups.setdefault(fingerprint, []).append(checked)
    group = max(groups.values(), key=len, default=[])
    if len(group) < 2:
        return None
    runs = evidence.published.pool(group[0].claim.subject)
    bests = sorted(run.best for run in runs)
    claims = listed([f"{minus(c.claim.text)} for {code(c.claim.row)}" for c in group])
    values = [c.claim.value for c in group]
    found = next((f.text for c in group for f in c.assessment.findings if f.kind == "logs"), "")
    return (
        f"### One network, {len(group)} effects\n\nOver the network without attention the ablations claim {claims}. "
        f"These are one network: equal fingerprints, that is equal graphs with equal shapes. So the claimed effects, "
        f"{max(values) - min(values):.2f} points apart, differ by the seed alone. The network's {len(runs)} logged "
        f"runs span {bests[0]:.2f} to {bests[-1]:.2f}. All logs of it and of the base together give {escape(found)}."
        f"{_best_against_unlogged(group, bests[-1], evidence)}"
    )


def _best_against_unlogged(group: CheckedClaims, best: float, evidence: Evidence) -> str:
    """Return the remark on an effect that compares the best of all runs with a base in no log, if there is one."""
    for checked in group:
        arm = evidence.claimed(checked.claim.table, checked.claim.row, "best_top1")
        base = evidence.claimed(checked.claim.table, base_row(checked.claim.table), "best_top1")
        if arm.holds(best) and not evidence.matching_run(base, base.subject):
            return (
                f" The claim of {escape(checked.claim.text)} sets the best of these runs, {arm.text}, "
                f"against a base, {base.text}, that stands in no log."
            )
    return ""


def other_parameters(checked_claims: CheckedClaims, evidence: Evidence) -> str | None:
    """Report which parameter counts are those of another network."""
    wrong = [c for c in column_of(checked_claims, "comparison", "params") if c.verdict == CONTRADICTED]
    if not wrong:
        return None
    logged = [c for c in wrong if (found := c.found("logs")) and found.verdict == CONTRADICTED]
    unlogged = [c for c in wrong if not c.found("logs")]
    notes = [f"The authors' own logs contradict {names(logged)} as well."] if logged else []
    notes += [f"No log has {names(unlogged)}: counted on the network of its paper."] if unlogged else []
    return "\n\n".join(
        ["### Parameters of other networks", worst(wrong, "counted", "M"), *([" ".join(notes)] if notes else [])]
    )


def guessed_macs(checked_claims: CheckedClaims, evidence: Evidence) -> str | None:
    """Report that the column "FLOPs" holds MACs where it is right, and how far off it is elsewhere."""
    column = column_of(checked_claims, "comparison", "flops")
    wrong, right = ([c for c in column if c.verdict == v] for v in (CONTRADICTED, CONFIRMED))
    if not wrong:
        return None
    summary = (
        f"{names(right)} hold within 2 %, as MACs: in FLOPs they would be twice as much" if right else "no figure holds"
    )
    return (
        f"### “FLOPs (M)” are MACs, and most were not counted\n\nOf {len(column)} figures {summary}. "
        f"{len(wrong)} match neither reading:\n\n{worst(wrong, 'MACs counted', 'M')}"
    )


def deck_against_itself(checked_claims: CheckedClaims, evidence: Evidence) -> str | None:
    """Report where two tables of the deck give one model two accuracies."""
    lines = []
    for checked in column_of(checked_claims, "comparison", "top1"):
        claim = checked.claim
        for other in evidence.claims.values():
            same = other.metric == "best_top1" and other.subject.model == claim.subject.model
            if same and other.text != claim.text and evidence.same_network(claim.subject, other.subject):
                lines.append(
                    f"- {code(claim.row)}: {claim.text} in {claim.table}, {other.text} in {escape(other.table)}"
                )
    return "### The deck against itself\n\n" + "\n".join(lines) if lines else None


def wrong_arithmetic(checked_claims: CheckedClaims, evidence: Evidence) -> str | None:
    """Report which figures do not follow from the deck's own."""
    wrong = [(c, f) for c in checked_claims if (f := c.found("arithmetic")) and f.verdict == CONTRADICTED]
    lines = [
        f"- {code(c.claim.row)}, {escape(c.claim.metric)} {escape(c.claim.text)}: {escape(f.text)}"
        for c, f in wrong
        if c.claim.metric != "top5"
    ]
    return "### Means that are not the means\n\n" + "\n".join(lines) if lines else None
