"""The backends as one dict: name → what makes the backend of a suite. `bench.sweep --backend NAME` chooses one."""

from collections.abc import Callable
from typing import Any

from bench.sweep.backends.interface import Backend
from bench.sweep.backends.local import LocalBackend
from bench.sweep.suite import Suite


def on_ray(suite: Suite, **options: Any) -> Backend[Any]:
    """Return the backend that trains on a Ray cluster; raise BadInput if Ray is not installed."""
    from bench.sweep.backends.ray.backend import RayBackend

    return RayBackend(suite, **options)


BACKENDS: dict[str, Callable[..., Backend[Any]]] = {
    "local": LocalBackend,
    "ray": on_ray,
}
DEFAULT = "local"
# The options of the command line that a backend takes; others take none.
OPTIONS: dict[str, tuple[str, ...]] = {"ray": ("address", "fetch_every")}
