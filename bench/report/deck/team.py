"""What no run knows of a presentation: team, presenter, date, school; read from a small YAML."""

from pathlib import Path

from pydantic import Field, ValidationError

from bench.config import read_yaml
from bench.spec import Section
from bench.util.errors import BadInput, unknown


class Team(Section):
    """What stands on the title slide, and who did what (name → words)."""

    subtitle: str | None = None
    team: str | None = None
    presenter: str | None = None
    date: str | None = None
    school: str | None = None
    contributions: dict[str, str] = Field(default_factory=dict)


def read_team(path: Path | None) -> Team:
    """Return a team's file, an empty team without one; raise BadInput naming the file and the key."""
    if path is None:
        return Team()
    content = read_yaml(path)
    for key in content:
        if key not in Team.model_fields:
            raise BadInput(f"{path}: {unknown('key', key, Team.model_fields)}")
    try:
        return Team.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{path}: key '{key}': {first['input']!r}: {first['msg']} (quote numbers and dates)") from None
