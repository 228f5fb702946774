"""The algorithms that a YAML may name: their settings are the class's own, and each of them trains."""

import inspect
import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from algorithms.registry import ALGORITHMS, CONFLICTS, ELSEWHERE, build_algorithms, import_target
from bench.algorithm_settings import validate_algorithms
from bench.util.errors import BadInput
from tests.teachers import least_settings


@pytest.mark.parametrize("name", ALGORITHMS)
def test_settings_are_those_of_the_class(name: str) -> None:
    row = ALGORITHMS[name]
    parameters = inspect.signature(import_target(row.target)).parameters
    for setting, (_, default) in row.settings.items():
        assert setting in parameters
        if parameters[setting].default is not inspect.Parameter.empty:
            assert default == parameters[setting].default, setting
    for setting in row.handed:
        assert setting in row.settings
        assert parameters[setting].default is inspect.Parameter.empty


@pytest.mark.parametrize("name", ALGORITHMS)
def test_defaults_are_valid_and_build(name: str) -> None:
    handed = {name: dict.fromkeys(ALGORITHMS[name].handed, len)}
    (algorithm,) = build_algorithms(validate_algorithms({name: least_settings(name)}), handed)
    assert type(algorithm) is import_target(ALGORITHMS[name].target)


def test_algorithms_run_in_the_order_of_the_registry() -> None:
    first = build_algorithms(validate_algorithms({"ema": {}, "channels_last": {}}))
    second = build_algorithms(validate_algorithms({"channels_last": {}, "ema": {}}))
    assert [type(a).__name__ for a in first] == [type(a).__name__ for a in second] == ["ChannelsLast", "EMA"]


@pytest.mark.parametrize(("first", "second", "why"), CONFLICTS)
def test_conflicts_are_refused_with_the_reason(first: str, second: str, why: str) -> None:
    with pytest.raises(BadInput, match="cannot be combined"):
        validate_algorithms({first: {}, second: {}})
    assert {first, second} <= set(ALGORITHMS)
    assert len(why) > 20


def test_what_is_not_refused_can_be_declared_together() -> None:
    refused = {frozenset(pair[:2]) for pair in CONFLICTS}
    for pair in itertools.combinations(ALGORITHMS, 2):
        if frozenset(pair) not in refused:
            assert set(validate_algorithms({name: least_settings(name) for name in pair})) == set(pair)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_declared_elsewhere_says_where(name: str) -> None:
    with pytest.raises(BadInput, match="it is declared as"):
        validate_algorithms({name: {}})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"smoothing": 2.0}, "less than or equal to 1"),
        ({"smoothing": "0.1"}, "valid number"),
        ({"smoothign": 0.1}, "Did you mean 'smoothing'"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        validate_algorithms({"label_smoothing": settings})


def test_algorithms_import_nothing_of_the_bench_package() -> None:
    sources = (Path(__file__).resolve().parents[2] / "algorithms").glob("*.py")
    assert [path.name for path in sources if re.search(r"^\s*(from|import) bench\b", path.read_text(), re.M)] == []
