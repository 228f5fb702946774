"""Whose checkpoint it is: what it says about its run, and whether another process may go on from it.

With `--allow-change` a run goes on by another engine or number of processes than before. Its checkpoints from then on,
and its result, hold such changes in their order: {step, before, after}, the latter two with `COMPUTED_BY`.
"""

from pathlib import Path
from typing import Any

from bench.engines.checkpoints import Content, Damaged, newest_valid
from bench.engines.nodes import ONE_NODE, Processes
from bench.engines.precision import Decision, decide, find_device
from bench.records import CHECKPOINTS
from bench.spec import RunSpec, recipe_hash
from bench.util.errors import BadInput


def identify(spec: RunSpec, world_size: int, precision: str) -> Content:
    """Return what a checkpoint says about its run: whose it is, and what computed it in which precision.

    The parts of a batch are those of which batch statistics are computed.
    """
    parts = world_size * (spec.deepspeed.accumulation_steps if spec.engine == "deepspeed" else 1)
    computed = {"engine": spec.engine, "world_size": world_size, "batch_parts": parts, "precision": precision}
    return {"recipe": recipe_hash(spec), "seed": spec.seed, **computed}


def check_owner(content: Content, mine: Content) -> None:
    """Raise Damaged for another run's checkpoint."""
    for key in ("recipe", "seed"):
        if content.get(key) != mine[key]:
            raise Damaged(f"it belongs to another run ({key} {content.get(key)!r}, this run has {mine[key]!r})")


# What of the checkpoint's identity `--allow-change` lets a run go on with another value of.
COMPUTED_BY = ("engine", "world_size", "batch_parts")
ALLOW = "or go on all the same with --allow-change, which the record then says"
# What a checkpoint says of how it was saved → why a run that has another value, the second, must not go on from it.
REFUSALS = {
    "world_size": (
        "by {0} processes, not {1}: batch statistics are computed per process, so the result would be neither run's. "
        f"Resume with -n {{0}}, change seed or experiment, {ALLOW}"
    ),
    "batch_parts": (
        "with {0} parts of a batch, not {1}: batch statistics are computed of each part. "
        f"Resume with the deepspeed.accumulation_steps that it was started with, {ALLOW}"
    ),
    "engine": (
        "by engine {0} and cannot resume with {1}: each rounds in its own way, so the result would be neither's. "
        f"Resume with engine={{0}}, change seed or experiment, {ALLOW}"
    ),
    "precision": "in {0} and cannot resume in {1}: its result would be of neither precision",
}


def check_identity(content: Content, mine: Content, path: Path, *, allow_change: bool = False) -> None:
    """Raise Damaged for another run's checkpoint, BadInput for one that this process must not go on from."""
    check_owner(content, mine)
    if not isinstance(content.get("world_size"), int):
        raise Damaged("it does not say how many processes saved it")
    if not all(is_change(item) for item in content.get("changes", [])):
        raise Damaged("what it says of changes in mid-run cannot be read")
    theirs = with_older(content, mine)
    for key, words in REFUSALS.items():
        if theirs[key] != mine[key] and not (allow_change and key in COMPUTED_BY):
            raise BadInput(f"run {path} was saved {words.format(theirs[key], mine[key])}")


def with_older(content: Content, mine: Content) -> Content:
    """Return what a checkpoint says about its run; those of before there were several engines are Composer's."""
    return {"batch_parts": content["world_size"], "engine": "composer", "precision": mine["precision"], **content}


def is_change(item: Any) -> bool:
    """Tell whether a part of a checkpoint is a change as `changes_after` makes it."""
    sides = [item.get("before"), item.get("after")] if isinstance(item, dict) else [None]
    kinds = {"engine": str, "world_size": int, "batch_parts": int}
    known = all(
        isinstance(side, dict) and all(isinstance(side.get(key), kind) for key, kind in kinds.items()) for side in sides
    )
    return known and isinstance(item.get("step"), int)


def changes_after(content: Content, mine: Content, step: int) -> list[dict[str, Any]]:
    """Return the changes of a run that goes on from a checkpoint of a step: those before it, and what changes now."""
    before, after = ({key: found[key] for key in COMPUTED_BY} for found in (with_older(content, mine), mine))
    changes = before != after and not content.get("finished")
    return [*content.get("changes", []), *([{"step": step, "before": before, "after": after}] if changes else [])]


def choose_precision(spec: RunSpec, run: Path, nodes: Processes = ONE_NODE) -> Decision:
    """Return the precision that a run computes in on this machine: that in which it began, if it did.

    On several nodes that of the first process is everyone's. Raises BadInput for a device or precision that this
    machine does not have.
    """
    device = find_device(spec.device)
    nodes.check_same("device", device)

    def choose() -> str:
        """Return the precision of a run that goes on as this disk says."""
        return decide(spec.precision, device, begun_precision(run, spec)).precision

    return decide(spec.precision, device, nodes.from_first("precision", choose))


def begun_precision(run: Path, spec: RunSpec) -> str | None:
    """Return the precision in which an interrupted run computed, None where it has left no checkpoint that tells.

    Raises BadInput where the disk refuses to read one.
    """
    mine = identify(spec, 0, "")
    try:
        content = newest_valid(run / CHECKPOINTS, lambda content: check_owner(content, mine)).content
    except OSError as error:
        raise BadInput(f"{run / CHECKPOINTS}: cannot be read: {error.strerror or error}") from None
    found = content.get("precision")
    return found if isinstance(found, str) else None
