"""Validate the algorithms that a recipe chooses against their registry, their batch and the network."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ConfigDict, ValidationError, create_model

from algorithms.registry import ALGORITHMS, CONFLICTS, ELSEWHERE, AlgorithmRow, import_target
from bench.util.errors import BadInput, check_known, nearest


def validate_algorithms(chosen: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the chosen algorithms with every setting filled in; raise BadInput for what is unknown or out of range."""
    complete = {name: validate_settings(name, settings) for name, settings in chosen.items()}
    for first, second, why in CONFLICTS:
        if first in chosen and second in chosen:
            raise BadInput(f"algorithms '{first}' and '{second}' cannot be combined: {why}.")
    return complete


def find_algorithm(name: str) -> AlgorithmRow:
    """Return an algorithm's row; raise BadInput with the nearest name, or the key that declares what is asked for."""
    plain = str(name).lower().replace("_", "").replace("-", "")
    if name not in ALGORITHMS and plain in ELSEWHERE:
        raise BadInput(f"unknown algorithm '{name}': it is declared as {ELSEWHERE[plain]}.")
    check_known("algorithm", name, ALGORITHMS)
    return ALGORITHMS[name]


def validate_settings(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return one algorithm's settings with defaults filled in; raise BadInput naming setting, value and range."""
    row = find_algorithm(name)
    rows = row.settings
    schema = create_model(name, __config__=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False), **dict(rows))  # type: ignore[call-overload]
    try:
        complete = schema.model_validate(dict(settings)).model_dump()
    except ValidationError as error:
        raise BadInput("; ".join(describe_setting(name, rows, item) for item in error.errors())) from None
    wrong = row.check_settings(complete)
    if wrong:
        raise BadInput(f"'{name}': {wrong}.")
    return complete


def describe_setting(name: str, rows: Mapping[str, Any], item: Mapping[str, Any]) -> str:
    """Word one refused setting of an algorithm."""
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        allowed = ", ".join(rows) or "none"
        return f"'{name}' has no setting '{key}'.{nearest(key, rows)} Allowed: {allowed}."
    return f"'{name}.{key}': {item['input']!r}: {item['msg']}."


def check_process_batch(chosen: Mapping[str, Mapping[str, Any]], samples: int) -> None:
    """Raise BadInput for an algorithm that takes no batch as small as a process's, of `samples` images."""
    for name, settings in chosen.items():
        setting = ALGORITHMS[name].least_batch
        if setting and settings[setting] > samples:
            raise BadInput(
                f"key 'algorithms.{name}.{setting}': {settings[setting]} is more than the {samples} images that each "
                f"process gets of a batch; use at most {samples}, a larger batch_size or fewer processes"
            )


def check_network(chosen: Iterable[str], network: Any) -> None:
    """Raise BadInput for an algorithm that has nothing to work on in a network."""
    for name in chosen:
        check = ALGORITHMS[name].check
        try:
            if check:
                import_target(check)(network)
        except ValueError as error:
            raise BadInput(f"algorithm '{name}': {error}") from None
