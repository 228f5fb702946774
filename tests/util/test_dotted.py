"""Values by dotted keys."""

import pytest

from bench.util.dotted import number_at, value_at

CONTENT = {"optimizer": {"name": "sgd", "lr": 1, "nesterov": True}, "schedule": None}


@pytest.mark.parametrize(
    ("key", "value", "number"),
    [
        ("optimizer.lr", 1, 1.0),
        ("optimizer.name", "sgd", None),
        ("optimizer.nesterov", True, None),
        ("optimizer.name.first", None, None),
        ("schedule.warmup", None, None),
        ("optimizer.rest.lr", None, None),
    ],
)
def test_value_and_number_at_a_dotted_key(key: str, value: object, number: float | None) -> None:
    assert value_at(CONTENT, key) == value
    assert number_at(CONTENT, key) == number
