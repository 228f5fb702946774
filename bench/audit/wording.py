"""How figures and differences are worded, the same in every verdict."""

from collections.abc import Sequence

from bench.audit.claims import Claim


def signed(value: float, decimals: int) -> str:
    """Return a number with its sign, a true minus, and no sign for what rounds to zero."""
    text = f"{abs(value):,.{decimals}f}"
    if not text.strip("0.,"):
        return text
    return ("+" if value > 0 else "−") + text


def minus(text: str) -> str:
    """Return a figure's text with a true minus in front."""
    return text.replace("-", "−", 1) if text.startswith("-") else text


def visible(value: float, decimals: int) -> int:
    """Return the number of decimals, raised by up to 3, so that a number does not look like zero."""
    return next((d for d in range(decimals, decimals + 3) if f"{abs(value):.{d}f}".strip("0.")), decimals + 3)


def gap(claim: Claim, evidence: float) -> str:
    """Return how far a claim is off, as a suffix: "; the claim is 6.27 too low (−23.8 %)"."""
    difference = claim.value - evidence
    size = f"{abs(difference):,.{visible(difference, claim.decimals)}f}"
    share = f" ({signed(100 * difference / evidence, 1)} %)" if evidence and claim.metric != "delta_top1" else ""
    return f"; the claim is {size} too {'high' if difference > 0 else 'low'}{share}"


def listed(items: Sequence[str]) -> str:
    """Return items as a phrase: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def counted_noun(n: int, noun: str) -> str:
    """Return "1 run" or "3 runs"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
