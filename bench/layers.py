"""Put the layers of a spec (bases, file, arm, overrides) over one another, and refuse keys that would have no effect.

A null is a value where the schema says so (`threads: null`). Below `algorithms:` and `model.options:`, whose entries
have no null, it takes out what a lower layer sets. Anywhere else it is refused, as is a name that nothing knows, in
every layer: a higher one might hide it.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, get_args

from pydantic.fields import FieldInfo

from bench.algorithm_settings import find_algorithm
from bench.spec import DEFAULT_SCHEDULE, SCHEDULE_SECTIONS, RunSpec, Section
from bench.util.errors import BadInput, nearest

Layers = list[tuple[str, dict[str, Any]]]
Path = tuple[str, ...]

# Sections of several kinds: another `name` in them replaces all settings of a lower layer.
NAMED = ("optimizer", "rest", "model")

# Mappings whose entries are not fields of the schema: null takes an entry of a lower layer out.
ALGORITHMS_PATH: Path = ("algorithms",)
OPEN: tuple[Path, ...] = (ALGORITHMS_PATH, ("model", "options"))


def merge_layers(layers: Layers) -> dict[str, Any]:
    """Return all layers as one mapping, lowest precedence first; raise BadInput for a key that would have no effect."""
    merged: dict[str, Any] = {}
    for source, content in layers:
        check_section([RunSpec], content, merged, (), source)
        merged = merge(merged, content)
    for path in OPEN:
        merged = without_nulls(merged, path)
    return merged


def merge(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """Return `high` over `low`, key by key, as far as `kept_below` keeps the lower section."""
    result = dict(low)
    for key, value in high.items():
        below = kept_below(key, low, value)
        result[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def kept_below(key: str, low: Mapping[str, Any], value: Any) -> Any:
    """Return what a lower layer has under a key, None where `value` names another optimizer or model in its place.

    A schedule of another name keeps what it has in common with the one below, such as the warm-up.
    """
    below = low.get(key)
    if not isinstance(below, Mapping) or not isinstance(value, Mapping):
        return below
    if key in NAMED:
        return below if value.get("name", below.get("name")) == below.get("name", value.get("name")) else None
    return common_settings(below, value) if key == "schedule" else below


def common_settings(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schedule's settings without those of its kind that the kind named above it does not have."""
    kinds = (SCHEDULE_SECTIONS.get(str(part.get("name", DEFAULT_SCHEDULE))) for part in (low, {**low, **high}))
    old, new = (set(kind.model_fields) if kind else set() for kind in kinds)
    return {key: value for key, value in low.items() if not new or key not in old - new}


def without_nulls(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return nested mappings without the entries of null at a path; the rest stays for the schema to refuse."""
    key, *rest = path
    inner = content.get(key)
    if not isinstance(inner, Mapping):
        return dict(content)
    left = (
        without_nulls(inner, tuple(rest)) if rest else {name: item for name, item in inner.items() if item is not None}
    )
    return {**content, key: left}


def check_section(
    sections: Sequence[type[Section]], content: Mapping[str, Any], below: Any, path: Path, source: str
) -> None:
    """Refuse unknown keys and nulls without effect in a layer's section, which is one of `sections`.

    `below` is what the lower layers make of it, `path` the keys that lead to it.
    """
    lower = below if isinstance(below, Mapping) else {}
    fields = dict(fields_of(sections, content.get("name", lower.get("name"))))
    for name, value in content.items():
        key = (*path, name)
        if name not in fields:
            raise BadInput(f"{where(source, key)}: {unknown_key(name, fields)}")
        inner, kept = sections_of(fields[name].annotation), kept_below(name, lower, value)
        if isinstance(value, Mapping) and inner:
            check_section(inner, value, kept, key, source)
        elif isinstance(value, Mapping) and key in OPEN:
            check_entries(value, kept, key, source)
        elif value is None and NoneType not in get_args(fields[name].annotation):
            raise BadInput(f"{where(source, key)}: null is not a value of this key; leave the key out.")


def check_entries(content: Mapping[str, Any], below: Any, path: Path, source: str) -> None:
    """Refuse, in an open mapping, an algorithm that the registry does not hold, and null for what no base sets."""
    lower = below if isinstance(below, Mapping) else {}
    for name, value in content.items():
        try:
            row = find_algorithm(name) if path == ALGORITHMS_PATH else None
        except BadInput as error:
            raise BadInput(f"{where(source, (*path, name))}: {error}") from None
        if value is None and lower.get(name) is None:
            hint = f"write '{name}: {{}}' to use it with its defaults, or " if row else ""
            raise BadInput(
                f"{where(source, (*path, name))}: null takes out what a base sets, and no base sets '{name}'; "
                f"{hint}leave the key out."
            )


def where(source: str, path: Sequence[Any]) -> str:
    """Return the beginning of a message about a key: the file or command line, and the key's path."""
    return f"{source}: key '{'.'.join(str(part) for part in path)}'"


def unknown_key(name: str, allowed: Mapping[str, Any] | Sequence[str]) -> str:
    """Word the refusal of a key that a section does not have."""
    return f"unknown key.{nearest(name, allowed)} Allowed: {', '.join(sorted(allowed))}."


def sections_of(annotation: Any) -> list[type[Section]]:
    """Return the sections that a field's annotation allows: none, one, or several that their `name` tells apart."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for part in get_args(annotation) for section in sections_of(part)]


def fields_of(sections: Sequence[type[Section]], name: Any) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the fields of the section that is called `name`, or of all when none of several is."""
    named = [
        section
        for section in sections
        if len(sections) > 1 and name in get_args(section.model_fields["name"].annotation)
    ]
    for section in named or sections:
        yield from section.model_fields.items()
