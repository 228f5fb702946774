"""What no run tells and the speaker gives in a small YAML file: title, team, presenter, date, school, thanks.

title: "Attention on small networks"
team: [A. Author, B. Author]
presenter: A. Author
date: 12 June
school: A university
thanks: {A. Author: the ablations, B. Author: the figures}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from bench.config import read_yaml
from bench.util.errors import BadInput, check_known
from bench.util.untrusted import printable


@dataclass(frozen=True)
class About:
    """What the speaker has given; empty where nothing was."""

    title: str = ""
    subtitle: str = ""
    team: str = ""
    presenter: str = ""
    date: str = ""
    school: str = ""
    thanks: Mapping[str, str] = field(default_factory=dict)


def read_about(path: Path) -> About:
    """Return what a file gives; raise BadInput for an unknown key or a value of another kind."""
    content = printable(read_yaml(path))
    known = [item.name for item in fields(About)]
    for key in content:
        check_known(f"key in {path}:", key, known)
    texts: dict[str, Any] = {key: text_of(value, key, path) for key, value in content.items() if key != "thanks"}
    return About(**texts, thanks=thanks_of(content.get("thanks", {}), path))


def text_of(value: Any, key: str, path: Path) -> str:
    """Return a value as text, a list as its items."""
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str | int | float) and not isinstance(item, bool) for item in items):
        raise BadInput(f"{path}: key '{key}': a text or a list of texts is expected, found {value!r}")
    return ", ".join(str(item) for item in items)


def thanks_of(value: Any, path: Path) -> dict[str, str]:
    """Return who did what."""
    if not isinstance(value, Mapping):
        raise BadInput(f"{path}: key 'thanks': a mapping of names to what they did is expected, found {value!r}")
    return {str(name): text_of(work, f"thanks.{name}", path) for name, work in value.items()}
