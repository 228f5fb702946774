"""The engines as one dict: name → what trains a run, imported only when a run names it.

Adding an engine is one file with such a function and one row here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from algorithms.registry import import_target
from bench.spec import RunSpec

# fit(spec, dataset, writer, environment, clock, stop, watchers=(), *, decision=None, …) → the content of `result.json`
# (`bench.records`). The engine goes on from the newest valid checkpoint, if there is one, and writes every record
# through the writer, which the caller has claimed.
Fit = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class EngineRow:
    """An engine, as "module:function": what trains a run, and what raises BadInput for one that it cannot train.

    `check` takes the spec and the number of processes; `check_network` the untrained network, and an image's shape.
    `section` is the spec's section that this engine alone reads.
    """

    fit: str
    check: str | None = None
    check_network: str | None = None
    section: str | None = None


ENGINES: dict[str, EngineRow] = {
    "composer": EngineRow("bench.engines.composer:fit"),
    "deepspeed": EngineRow(
        "bench.engines.deepspeed:fit",
        "bench.engines.deepspeed_check:check_deepspeed",
        "bench.engines.deepspeed_check:check_unused",
        section="deepspeed",
    ),
}


def find_engine(name: str) -> Fit:
    """Return the function that trains with an engine of the registry."""
    return import_target(ENGINES[name].fit)


def without_effect(spec: RunSpec) -> list[str]:
    """Return a warning for each section of a spec that another engine than its own would read."""
    others = [(name, row.section) for name, row in ENGINES.items() if row.section and name != spec.engine]
    return [
        f"warning: key '{section}' has no effect with engine={spec.engine}; did you mean engine={name}?"
        for name, section in others
        if getattr(spec, section) != type(spec).model_fields[section].default
    ]


def refuse(check: str | None, *about: Any) -> None:
    """Call a check of an engine's row, if it has that one."""
    if check is not None:
        import_target(check)(*about)
