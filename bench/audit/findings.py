"""What the evidence says about a claim, and how findings of different kinds become one verdict."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from bench.audit.claims import Claim

Verdict = Literal["confirmed", "contradicted", "within noise", "not testable yet"]
CONFIRMED: Verdict = "confirmed"
CONTRADICTED: Verdict = "contradicted"
WITHIN_NOISE: Verdict = "within noise"
NOT_TESTABLE: Verdict = "not testable yet"
VERDICTS: tuple[Verdict, ...] = (CONFIRMED, CONTRADICTED, WITHIN_NOISE, NOT_TESTABLE)

Kind = Literal["definition", "counted", "arithmetic", "logs", "runs"]
# Most direct first: the order decides when kinds disagree.
KINDS: dict[Kind, str] = {
    "definition": "the zoo's definition of the network, with its source",
    "counted": "what is counted on the zoo's networks",
    "arithmetic": "arithmetic inside the deck",
    "logs": "the deck authors' own logs",
    "runs": "our full-length runs of the deck's recipe",
}


@dataclass(frozen=True)
class Finding:
    """What one kind of evidence says.

    `value` is the figure that the evidence gives in place of the claimed one, with its 95 % interval where it has one.
    A finding that is not `whole` covers only a part of the claim (the division is right, the inputs are not checked):
    it can contradict the claim but not confirm it.
    """

    kind: Kind
    verdict: Verdict
    text: str
    value: float | None = None
    half_width: float | None = None
    n: int | None = None
    whole: bool = True


@dataclass(frozen=True)
class Assessment:
    """The result of a check: findings, remarks that do not affect the verdict, and the commands that would decide.

    `lead` is a remark to show before the findings.
    """

    findings: Sequence[Finding] = ()
    remarks: Sequence[str] = ()
    commands: Sequence[str] = ()
    lead: str = ""


@dataclass(frozen=True)
class CheckedClaim:
    """A claim with its verdict; `decided` is the finding that it rests on, None if it cannot be tested yet."""

    claim: Claim
    verdict: Verdict
    decided: Finding | None
    assessment: Assessment = field(default_factory=Assessment)

    @property
    def by(self) -> str:
        """Return the kind of the deciding evidence."""
        return self.decided.kind if self.decided else ""

    @property
    def evidence(self) -> float | None:
        """Return the value from the deciding evidence."""
        return self.decided.value if self.decided else None

    @property
    def difference(self) -> float | None:
        """Return by how much the claim exceeds the evidence, None without a value."""
        return None if self.evidence is None else self.claim.value - self.evidence

    @property
    def relative(self) -> float | None:
        """Return the difference as a share of the evidence, None for claims that are differences or ranks."""
        if self.difference is None or not self.evidence or self.claim.metric in ("delta_top1", "rank"):
            return None
        return self.difference / self.evidence

    @property
    def disagree(self) -> list[Kind]:
        """Return the kinds of evidence that alone would give the opposite verdict."""
        opposite = {CONFIRMED: CONTRADICTED, CONTRADICTED: CONFIRMED}.get(self.verdict)
        rest = (finding for finding in self.assessment.findings if finding is not self.decided)
        return [finding.kind for finding in rest if finding.verdict == opposite and finding.whole]

    def found(self, kind: Kind) -> Finding | None:
        """Return the finding of a kind."""
        return next((finding for finding in self.assessment.findings if finding.kind == kind), None)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings, the most direct kind first."""
    return sorted(findings, key=lambda finding: list(KINDS).index(finding.kind))


def decide(claim: Claim, assessment: Assessment) -> CheckedClaim:
    """Return the claim's verdict: the most direct finding that settles it.

    A contradiction settles a claim, and so does a confirmation by a finding on the whole of it. "Within
    noise" settles it only if no less direct evidence does: ten runs may show what the log of one run leaves open.
    """
    findings = in_order(assessment.findings)
    settling = (f for f in findings if f.verdict == CONTRADICTED or (f.verdict == CONFIRMED and f.whole))
    open_ended = (f for f in findings if f.verdict == WITHIN_NOISE and f.whole)
    decided = next(settling, None) or next(open_ended, None)
    verdict = decided.verdict if decided else NOT_TESTABLE
    return CheckedClaim(claim, verdict, decided, replace(assessment, findings=findings))
