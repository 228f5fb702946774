"""Whose checkpoint it is: what it says about its run, and whether another process may go on from it."""

from pathlib import Path

from bench.engines.checkpoints import Content, Damaged, newest_valid
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


def check_identity(content: Content, mine: Content, path: Path) -> None:
    """Raise Damaged for another run's checkpoint, BadInput for one that this process must not go on from."""
    check_owner(content, mine)
    theirs, ours = content.get("world_size"), mine["world_size"]
    if not isinstance(theirs, int):
        raise Damaged("it does not say how many processes saved it")
    if theirs != ours:
        raise BadInput(
            f"run {path} was saved by {theirs} processes, not {ours}: batch statistics are computed per process, so "
            f"the result would be neither run's. Resume with -n {theirs}, or change seed or experiment"
        )
    theirs, ours = content.get("batch_parts", content["world_size"]), mine["batch_parts"]
    if theirs != ours:
        raise BadInput(
            f"run {path} was saved with {theirs} parts of a batch, not {ours}: batch statistics are computed of each "
            f"part. Resume with the deepspeed.accumulation_steps that it was started with"
        )
    # Checkpoints of before there were several engines are Composer's.
    theirs, ours = content.get("engine", "composer"), mine["engine"]
    if theirs != ours:
        raise BadInput(
            f"run {path} was saved by engine {theirs} and cannot resume with {ours}: each rounds in its own "
            f"way, so the result would be neither's. Resume with engine={theirs}, or change seed or experiment"
        )
    theirs, ours = content.get("precision", mine["precision"]), mine["precision"]
    if theirs != ours:
        raise BadInput(
            f"run {path} was saved in {theirs} and cannot resume in {ours}: its result would be of neither precision"
        )


def choose_precision(spec: RunSpec, run: Path) -> Decision:
    """Return the precision that a run computes in on this machine: that in which it began, if it did.

    Raises BadInput for a device or precision that this machine does not have.
    """
    return decide(spec.precision, find_device(spec.device), begun_precision(run, spec))


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
