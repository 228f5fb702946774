"""The backends as one dict: name → what makes the backend of a suite. `bench.sweep --backend NAME` chooses one."""

from collections.abc import Callable
from typing import Any

from bench.sweep.backends.interface import Backend
from bench.sweep.backends.local import LocalBackend
from bench.sweep.suite import Suite

BACKENDS: dict[str, Callable[[Suite], Backend[Any]]] = {
    "local": LocalBackend,
}
DEFAULT = "local"
