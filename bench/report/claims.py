"""The audit of the deck's claims as the page shows it: every claim with its verdict, and the key findings."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

from bench.audit.claims import read_claims
from bench.audit.evidence import Evidence
from bench.audit.findings import VERDICTS, CheckedClaim
from bench.audit.key_findings import KEY_FINDINGS
from bench.audit.published import read_published
from bench.audit.registry import check_all
from bench.audit.report import evidence_of, reason
from bench.audit.wording import minus
from bench.records import RunRecord
from bench.zoo.counting.golden import read_golden


def check_claims(records: Sequence[RunRecord]) -> tuple[Sequence[CheckedClaim], Evidence]:
    """Return the checked claims of the deck, with run records as evidence beside its authors' logs and the counts."""
    claims = read_claims()
    evidence = Evidence({claim.key: claim for claim in claims}, read_published(read_golden()), records)
    return check_all(claims, evidence), evidence


def claims_data(records: Sequence[RunRecord]) -> dict[str, Any]:
    """Return the audit as the page shows it."""
    checked, evidence = check_claims(records)
    counts = Counter(claim.verdict for claim in checked)
    return {
        "counts": [{"verdict": verdict, "count": counts[verdict]} for verdict in VERDICTS],
        "claims": [claim_data(claim) for claim in checked],
        "findings": [markup(text) for finding in KEY_FINDINGS if (text := finding(checked, evidence))],
    }


def claim_data(checked: CheckedClaim) -> dict[str, Any]:
    """Return one claim as texts."""
    claim = checked.claim
    unit = f" {claim.unit}" if claim.unit else ""
    return {
        "table": claim.table,
        "row": claim.row,
        "metric": claim.metric,
        "claim": f"{'≈ ' if claim.approx else ''}{minus(claim.text)}{unit}",
        "verdict": checked.verdict,
        "evidence": evidence_of(checked),
        "why": reason(checked),
    }


def markup(markdown: str) -> Markup:
    """Return a finding as HTML; tags in it are text, and it has neither links nor pictures nor styles of its own."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image", "autolink"])
    tokens = parser.parse(markdown)
    for token in tokens:
        if token.type in ("th_open", "td_open"):
            token.attrs = {} if "style" in token.attrs else {"class": "left"}
    return Markup(parser.renderer.render(tokens, parser.options, {}))
