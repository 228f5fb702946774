"""The engines as one dict: name → what trains a run, imported only when a run names it.

Adding an engine is one file with such a function and one row here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from algorithms.registry import import_target

# fit(spec, dataset, writer, environment, clock, stop, watchers=(), *, decision=None, …) → the content of `result.json`
# (`bench.records`). The engine goes on from the newest valid checkpoint, if there is one, and writes every record
# through the writer, which the caller has claimed.
Fit = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class EngineRow:
    """An engine, as "module:function": what trains a run, and what raises BadInput for one that it cannot train.

    `check` takes the spec and the number of processes; `check_network` the untrained network, and an image's shape.
    """

    fit: str
    check: str | None = None
    check_network: str | None = None


ENGINES: dict[str, EngineRow] = {
    "composer": EngineRow("bench.engines.composer:fit"),
    "deepspeed": EngineRow(
        "bench.engines.deepspeed:fit",
        "bench.engines.deepspeed_check:check_deepspeed",
        "bench.engines.deepspeed_check:check_unused",
    ),
}


def find_engine(name: str) -> Fit:
    """Return the function that trains with an engine of the registry."""
    return import_target(ENGINES[name].fit)


def refuse(check: str | None, *about: Any) -> None:
    """Call a check of an engine's row, if it has that one."""
    if check is not None:
        import_target(check)(*about)
