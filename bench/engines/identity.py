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


# What a checkpoint says of how it was saved → why a run that has another value, the second, must not go on from it.
REFUSALS = {
    "world_size": (
        "by {0} processes, not {1}: batch statistics are computed per process, so the result would be neither run's. "
        "Resume with -n {0}, or change seed or experiment"
    ),
    "batch_parts": (
        "with {0} parts of a batch, not {1}: batch statistics are computed of each part. "
        "Resume with the deepspeed.accumulation_steps that it was started with"
    ),
    "engine": (
        "by engine {0} and cannot resume with {1}: each rounds in its own way, so the result would be neither's. "
        "Resume with engine={0}, or change seed or experiment"
    ),
    "precision": "in {0} and cannot resume in {1}: its result would be of neither precision",
}


def check_identity(content: Content, mine: Content, path: Path) -> None:
    """Raise Damaged for another run's checkpoint, BadInput for one that this process must not go on from."""
    check_owner(content, mine)
    if not isinstance(content.get("world_size"), int):
        raise Damaged("it does not say how many processes saved it")
    # Checkpoints of before there were several engines are Composer's.
    older = {"batch_parts": content["world_size"], "engine": "composer", "precision": mine["precision"]}
    theirs = {**older, **content}
    for key, words in REFUSALS.items():
        if theirs[key] != mine[key]:
            raise BadInput(f"run {path} was saved {words.format(theirs[key], mine[key])}")


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
