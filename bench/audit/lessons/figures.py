"""Lessons on figures that counting, arithmetic or a second table of the deck contradict."""

from bench.audit.differences import base_row
from bench.audit.evidence import Evidence
from bench.audit.findings import CONFIRMED, CONTRADICTED, Judgement
from bench.audit.lessons.parts import Judgements, column_of, names, worst
from bench.audit.wording import listed, minus
from bench.util.markdown import code, escape


def computed_top5(judgements: Judgements, evidence: Evidence) -> str | None:
    """Tell that the top-5 column was computed from top-1."""
    column = column_of(judgements, "comparison", "top5")
    computed = [j for j in column if j.by == "arithmetic"]
    if not computed:
        return None
    gaps = [round(j.claim.value - evidence.claimed("comparison", j.claim.row, "top1").value, 2) for j in computed]
    usual = max(set(gaps), key=gaps.count)
    top1 = sorted(evidence.claimed("comparison", j.claim.row, "top1").value for j in computed)
    return (
        f"### The top-5 column was computed, not measured\n\n{gaps.count(usual)} of {len(column)} top-5 figures are "
        f"their row's top-1 + {usual:.2f} to the digit, and {len(computed)} are top-1 plus a whole number of points, "
        f"while top-1 goes from {top1[0]:.2f} to {top1[-1]:.2f}. Of measured gaps 1 in 100 is whole, and none stays "
        f"the same over {top1[-1] - top1[0]:.0f} points of top-1. No log of the authors has a top-5."
    )


def one_network_many_claims(judgements: Judgements, evidence: Evidence) -> str | None:
    """Tell where an ablation compares a network with itself."""
    deltas = [j for j in judgements if j.claim.metric == "delta_top1"]
    groups: dict[str, list[Judgement]] = {}
    for judgement in deltas:
        if fingerprint := evidence.published.fingerprint(judgement.claim.subject):
            groups.setdefault(fingerprint, []).append(judgement)
    group = max(groups.values(), key=len, default=[])
    if len(group) < 2:
        return None
    runs = evidence.published.pool(group[0].claim.subject)
    bests = sorted(run.best for run in runs)
    claims = listed([f"{minus(j.claim.text)} for {code(j.claim.row)}" for j in group])
    values = [j.claim.value for j in group]
    found = next((f.text for j in group for f in j.opinion.findings if f.kind == "logs"), "")
    return (
        f"### One network, {len(group)} effects\n\nOver the network without attention the ablations claim {claims}. "
        f"These are one network: equal fingerprints, that is equal graphs with equal shapes. So the claimed effects, "
        f"{max(values) - min(values):.2f} points apart, differ by the seed alone. The network's {len(runs)} logged "
        f"runs span {bests[0]:.2f} to {bests[-1]:.2f}. All logs of it and of the base together give {escape(found)}."
        f"{_best_against_unlogged(group, bests[-1], evidence)}"
    )


def _best_against_unlogged(group: Judgements, best: float, evidence: Evidence) -> str:
    """Return the remark on an effect that sets the best of all runs against a base that no log holds, if one does."""
    for judgement in group:
        arm = evidence.claimed(judgement.claim.table, judgement.claim.row, "best_top1")
        base = evidence.claimed(judgement.claim.table, base_row(judgement.claim.table), "best_top1")
        if arm.holds(best) and not evidence.matching_run(base, base.subject):
            return (
                f" The claim of {escape(judgement.claim.text)} sets the best of these runs, {arm.text}, "
                f"against a base, {base.text}, that stands in no log."
            )
    return ""


def other_parameters(judgements: Judgements, evidence: Evidence) -> str | None:
    """Tell which parameter counts are those of another network."""
    wrong = [j for j in column_of(judgements, "comparison", "params") if j.verdict == CONTRADICTED]
    if not wrong:
        return None
    logged = [j for j in wrong if (found := j.found("logs")) and found.verdict == CONTRADICTED]
    unlogged = [j for j in wrong if not j.found("logs")]
    told = [f"The authors' own logs contradict {names(logged)} as well."] if logged else []
    told += [f"No log has {names(unlogged)}: counted on the network of its paper."] if unlogged else []
    return "\n\n".join(
        ["### Parameters of other networks", worst(wrong, "counted", "M"), *([" ".join(told)] if told else [])]
    )


def guessed_macs(judgements: Judgements, evidence: Evidence) -> str | None:
    """Tell that the column "FLOPs" holds MACs where it is right, and how far off it is elsewhere."""
    column = column_of(judgements, "comparison", "flops")
    wrong, right = ([j for j in column if j.verdict == v] for v in (CONTRADICTED, CONFIRMED))
    if not wrong:
        return None
    told = (
        f"{names(right)} hold within 2 %, as MACs: in FLOPs they would be twice as much" if right else "no figure holds"
    )
    return (
        f"### “FLOPs (M)” are MACs, and most were not counted\n\nOf {len(column)} figures {told}. "
        f"{len(wrong)} match neither reading:\n\n{worst(wrong, 'MACs counted', 'M')}"
    )


def deck_against_itself(judgements: Judgements, evidence: Evidence) -> str | None:
    """Tell where two tables of the deck give one model two accuracies."""
    lines = []
    for judgement in column_of(judgements, "comparison", "top1"):
        claim = judgement.claim
        for other in evidence.claims.values():
            same = other.metric == "best_top1" and other.subject.model == claim.subject.model
            if same and other.text != claim.text and evidence.same_network(claim.subject, other.subject):
                lines.append(
                    f"- {code(claim.row)}: {claim.text} in {claim.table}, {other.text} in {escape(other.table)}"
                )
    return "### The deck against itself\n\n" + "\n".join(lines) if lines else None


def wrong_arithmetic(judgements: Judgements, evidence: Evidence) -> str | None:
    """Tell which figures do not follow from the deck's own."""
    wrong = [(j, f) for j in judgements if (f := j.found("arithmetic")) and f.verdict == CONTRADICTED]
    lines = [
        f"- {code(j.claim.row)}, {escape(j.claim.metric)} {escape(j.claim.text)}: {escape(f.text)}"
        for j, f in wrong
        if j.claim.metric != "top5"
    ]
    return "### Means that are not the means\n\n" + "\n".join(lines) if lines else None
