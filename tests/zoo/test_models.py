"""Every check on every model of MODELS; a model that is added there is tested without a new test."""

import pytest

from bench.zoo.counting.golden import read_golden
from bench.zoo.models import MODELS
from tests.zoo.checks import CHECKS, Subject, make_subject


@pytest.fixture(scope="module", params=MODELS)
def subject(request: pytest.FixtureRequest) -> Subject:
    """Build each model once; pytest runs all checks on it before it builds the next."""
    return make_subject(request.param, MODELS[request.param], read_golden())


@pytest.mark.parametrize("check", CHECKS)
def test_model(subject: Subject, check: str) -> None:
    CHECKS[check](subject)


def test_golden_file_holds_the_zoo() -> None:
    assert list(read_golden()) == list(MODELS)
