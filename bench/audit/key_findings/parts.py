"""Shared by the key findings: their type, and how claims are named and tabulated."""

from collections.abc import Callable, Sequence

from bench.audit.evidence import Evidence
from bench.audit.findings import CheckedClaim
from bench.audit.wording import listed
from bench.util.markdown import code, escape, markdown_table

CheckedClaims = Sequence[CheckedClaim]
KeyFinding = Callable[[CheckedClaims, Evidence], str | None]
MAX_ROWS = 8


def column_of(checked_claims: CheckedClaims, table: str, *metrics: str) -> list[CheckedClaim]:
    """Return the claims of a table about some metrics."""
    return [c for c in checked_claims if c.claim.table == table and c.claim.metric in metrics]


def names(checked_claims: CheckedClaims) -> str:
    """Return the rows of claims as a phrase."""
    return listed([code(c.claim.row) for c in checked_claims])


def ratio(checked: CheckedClaim) -> float:
    """Return the ratio of claim and evidence, the larger over the smaller; 0 without evidence."""
    claim, evidence = checked.claim.value, checked.evidence
    return max(claim / evidence, evidence / claim) if evidence and claim else 0.0


def worst(checked_claims: CheckedClaims, heading: str, unit: str) -> str:
    """Return a table of the contradicted claims, those furthest from the evidence first."""
    ordered = sorted(checked_claims, key=ratio, reverse=True)
    rows = [
        [code(c.claim.row), escape(c.claim.text), escape(c.claim.show(c.evidence or 0.0)), f"{ratio(c):.2f} ×"]
        for c in ordered[:MAX_ROWS]
    ]
    more = f"\n\n… and {len(ordered) - MAX_ROWS} more below." if len(ordered) > MAX_ROWS else ""
    return markdown_table(["Row", f"claimed ({unit})", f"{heading} ({unit})", "apart"], rows, right=(1, 2, 3)) + more
