"""The one kind of error that a user's input can cause, and the helpers that word it."""

from collections.abc import Collection, Iterable
from difflib import SequenceMatcher


class BadInput(Exception):
    """Say that what the user gave cannot be used: file, key, value, and what is allowed."""


def first_line(error: BaseException) -> str:
    """Return an error's text as one line; Python's own for a missing key or attribute say little without their kind."""
    own = isinstance(error, LookupError | AttributeError) and type(error).__module__ == "builtins"
    return " ".join((repr(error) if own else str(error)).split()) or type(error).__name__


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the closest allowed name, or an empty string when none is close."""
    wanted = str(name).lower()

    def closeness(item: str) -> tuple[float, int]:
        """Return the similarity in [0, 1], and the length of the common beginning to break ties."""
        ratio = SequenceMatcher(None, wanted, item.lower()).ratio()
        pairs = zip(wanted, item.lower(), strict=False)
        return round(ratio, 6), next((i for i, (a, b) in enumerate(pairs) if a != b), len(wanted))

    best = max(sorted(str(item) for item in allowed), key=closeness, default="")
    return f" Did you mean '{best}'?" if best and closeness(best)[0] >= 0.5 else ""


def unknown(kind: str, name: str, allowed: Iterable[str], *, most: int = 60) -> BadInput:
    """Return the error for a name that a registry does not hold, with the nearest one and all that are allowed."""
    names = sorted(str(item) for item in allowed)
    listed = ", ".join(names[:most]) + (f", … ({len(names)} in all)" if len(names) > most else "")
    return BadInput(f"unknown {kind} '{name}'.{nearest(name, names)} Allowed: {listed}.")


def check_known(kind: str, name: str, allowed: Collection[str]) -> None:
    """Raise BadInput for a name that a registry does not hold."""
    if name not in allowed:
        raise unknown(kind, name, allowed)
