"""What the lessons share: their type, and how they name and tabulate judgements."""

from collections.abc import Callable, Sequence

from bench.audit.evidence import Evidence
from bench.audit.findings import Judgement
from bench.audit.wording import listed
from bench.util.markdown import code, escape, markdown_table

Judgements = Sequence[Judgement]
Lesson = Callable[[Judgements, Evidence], str | None]
MAX_ROWS = 8


def column_of(judgements: Judgements, table: str, *metrics: str) -> list[Judgement]:
    """Return the judgements of a table's metrics."""
    return [j for j in judgements if j.claim.table == table and j.claim.metric in metrics]


def names(judgements: Judgements) -> str:
    """Return the rows of judgements as a phrase."""
    return listed([code(j.claim.row) for j in judgements])


def ratio(judgement: Judgement) -> float:
    """Return how many times claim and evidence are apart, 0 where there is no evidence."""
    claim, evidence = judgement.claim.value, judgement.evidence
    return max(claim / evidence, evidence / claim) if evidence and claim else 0.0


def worst(judgements: Judgements, heading: str, unit: str) -> str:
    """Return a table of the contradicted claims, those furthest from the evidence first."""
    ordered = sorted(judgements, key=ratio, reverse=True)
    rows = [
        [code(j.claim.row), escape(j.claim.text), escape(j.claim.show(j.evidence or 0.0)), f"{ratio(j):.2f} ×"]
        for j in ordered[:MAX_ROWS]
    ]
    more = f"\n\n… and {len(ordered) - MAX_ROWS} more below." if len(ordered) > MAX_ROWS else ""
    return markdown_table(["Row", f"claimed ({unit})", f"{heading} ({unit})", "apart"], rows, right=(1, 2, 3)) + more
