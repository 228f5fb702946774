"""What tests of bad input share."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from bench.util.errors import BadInput


@contextmanager
def refused(words: Iterable[str]) -> Iterator[None]:
    """Expect BadInput with a message that has all of some words."""
    with pytest.raises(BadInput) as error:
        yield
    assert [word for word in words if word not in str(error.value)] == [], str(error.value)
