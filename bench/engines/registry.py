"""The engines as one dict: name → the function that trains a run, imported only when a run names it.

Adding an engine is one file with such a function and one row here.
"""

from collections.abc import Callable
from typing import Any

from algorithms.registry import import_target

# fit(spec, dataset, writer, environment, clock, stop, watchers=(), *, decision=None, …) → the content of `result.json`
# (`bench.records`). The engine goes on from the newest valid checkpoint, if there is one, and writes every record
# through the writer, which the caller has claimed.
Fit = Callable[..., dict[str, Any]]

ENGINES: dict[str, str] = {
    "composer": "bench.engines.composer:fit",
}


def find_engine(name: str) -> Fit:
    """Return the function that trains with an engine of the registry."""
    return import_target(ENGINES[name])
