"""Read run records from a Weights & Biases project through its API, where it is online."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from bench.analysis.metrics import row_columns, wandb_name
from bench.analysis.wandb_ids import EVALUATIONS
from bench.records import Row, RunRecord, names_a_run
from bench.util.errors import BadInput
from bench.util.untrusted import printable

# Why a run that somebody else logged to the project is in no table, as its status.
FOREIGN = "its config is not the spec of a run"


@dataclass(frozen=True)
class OnlineRecord(RunRecord):
    """A run that W&B keeps; its epochs are fetched when they are asked for, and its path only names it."""

    local: ClassVar[bool] = False
    history: Callable[[], Iterable[Mapping[str, Any]]] = tuple
    evaluated: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def evaluations(self) -> Mapping[str, Any]:
        """Return evaluator → what it measured, as the summary has it."""
        return self.evaluated

    @cached_property
    def failure(self) -> Mapping[str, Any] | None:
        """Return None: what a directory of the same name on this machine tells is another run's."""
        return None

    @cached_property
    def epochs(self) -> list[Row]:
        """Return the logged rows of epochs."""
        rows = [{column: row.get(wandb_name(column)) for column in row_columns()} for row in self.history()]
        return [row for row in rows if row["epoch"] is not None]


def read_project(project: str) -> list[RunRecord]:
    """Return the runs of ENTITY/PROJECT; raise BadInput when the name is malformed or the project cannot be read."""
    if project.count("/") != 1 or not all(project.split("/")):
        raise BadInput(f"--wandb '{project}' must have the form ENTITY/PROJECT")
    import wandb  # imported here: it takes long, and only this needs it

    try:
        return [read_online(run) for run in wandb.Api().runs(project)]
    except (wandb.errors.Error, ValueError, OSError) as error:
        raise BadInput(f"--wandb {project}: cannot be read: {' '.join(str(error).split())}") from None


def read_online(run: Any) -> RunRecord:
    """Return one run of the API as a record: its config is the spec, its summary the result.

    A project may hold runs that are not of this suite: such a record is unfinished and says why.
    """
    spec, summary, name = printable(plain(run.config)), printable(plain(run.summary)), folder_name(run.name)
    path = Path(folder_name(spec.get("experiment") or run.group or "default")) / name
    if not names_a_run(spec):
        return OnlineRecord(path, {}, {"status": FOREIGN}, history=run.scan_history)
    finished = run.state == "finished" and summary.get("status") == "finished"
    evaluated = summary.pop(EVALUATIONS, None)
    result = {**identity(spec, name), **summary, "spec": spec} if finished else None
    known = evaluated if isinstance(evaluated, dict) else {}
    return OnlineRecord(path, spec, result, history=run.scan_history, evaluated=known)


def folder_name(text: Any) -> str:
    """Return a name that anybody may have given as one that can only be a folder's: no separator, no `..`."""
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", str(text)).lstrip(".") or "_"


def identity(spec: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what a summary may lack: the recipe stands in the run's name, the data's name in the spec."""
    data = spec.get("data") or {}
    return {
        "run": name,
        "recipe": name.rsplit("-", 2)[1] if name.count("-") >= 2 else None,
        "seed": spec.get("seed"),
        "data": {"name": data.get("name"), "split": data.get("split")},
    }


def plain(value: Any) -> Any:
    """Return a summary of the API as plain containers; it may hold its own kind of mapping."""
    return {key: plain(value[key]) for key in value.keys()} if hasattr(value, "keys") else value  # noqa: SIM118
