"""JSON files and texts that may come from strangers, as records do."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.util.errors import BadInput

# Control characters but tab and line feed, the marks that turn the direction of writing, and halves of characters.
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object; raise BadInput naming the file when it is torn, no object, or has no finite number."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, parse_constant=finite, parse_float=finite, parse_int=whole)
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise BadInput(f"{path}: a JSON object is expected")
    return printable(content) if "\\" in text or UNPRINTABLE.search(text) else content


def finite(text: str) -> float:
    """Return a number; raise ValueError for NaN, infinity and what only infinity can stand for."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def whole(text: str) -> int:
    """Return a whole number; raise ValueError for one that no float can stand for."""
    finite(text)
    return int(text)


def printable(value: Any) -> Any:
    """Return nested data whose texts cannot steer a terminal or turn the order of what is read: U+FFFD stands instead.

    Records may come from strangers; what else their texts must not do is the business of where they are shown.
    """
    if isinstance(value, str):
        return UNPRINTABLE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {printable(key): printable(item) for key, item in value.items()}
    return [printable(item) for item in value] if isinstance(value, list) else value
