"""Values in nested mappings by dotted keys, as specs and results are addressed: "optimizer.lr", "seconds.train"."""

from collections.abc import Mapping
from typing import Any


def value_at(content: Mapping[str, Any], path: str) -> Any:
    """Return what a content holds at a dotted key, None where it holds nothing."""
    found: Any = content
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def number_at(content: Mapping[str, Any], path: str) -> float | None:
    """Return the number that a content holds at a dotted key, None where it holds none."""
    found = value_at(content, path)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
