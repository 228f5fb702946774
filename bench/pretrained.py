"""Weights that a run learns from, as a spec names them: a path is found, and becomes the SHA-256 of its file.

The digest, not the path, is part of the recipe's identity. No torch is imported here.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.records import RESULT, SPEC, WEIGHTS, RunRecord, read_run
from bench.spec import RunSpec
from bench.util.errors import BadInput


def find_trained_run(path: Path) -> RunRecord:
    """Return the finished run of a folder that holds its weights; raise BadInput for anything else."""
    if not (path / SPEC).is_file() and not (path / RESULT).is_file():
        raise BadInput(f"{path} is no run's folder (runs/<experiment>/<run>, which holds {SPEC}); train it first")
    record = read_run(path)
    if not record.finished:
        state = "has failed" if record.failure else "has not finished"
        raise BadInput(f"the run {path} {state}; train it to its end first")
    if not (path / WEIGHTS).is_file():
        raise BadInput(f"the run {path} has left no {WEIGHTS} (records alone have none); train it again")
    return record


def read_weights_file(path: Path) -> tuple[bytes, str]:
    """Return the bytes of a file of weights and their SHA-256; raise BadInput for one that cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from None
    return data, hashlib.sha256(data).hexdigest()


def resolve_teacher(declared: Mapping[str, Any]) -> dict[str, Any]:
    """Return a teacher's path with its network and digest filled in.

    Raises BadInput for a path that holds no trained network, and for another network or digest than what is declared.
    """
    path = Path(declared["path"]).expanduser()
    record = find_trained_run(path)
    _, digest = read_weights_file(path / WEIGHTS)
    found = {"path": declared["path"], "network": record.model, "sha256": digest}
    for key in ("network", "sha256"):
        if declared.get(key) not in (None, found[key]):
            raise BadInput(f"{path}: its {key} is {found[key]}, declared is {declared[key]}")
    return found


def resolve_weights(spec: RunSpec) -> RunSpec:
    """Return a spec whose paths of weights say what they hold; raise BadInput that names the key."""
    settings = spec.algorithms.get("distillation")
    if settings is None:
        return spec
    try:
        teacher = resolve_teacher(settings["teacher"])
    except BadInput as error:
        raise BadInput(f"key 'algorithms.distillation.teacher': {error}") from None
    algorithms = {**spec.algorithms, "distillation": {**settings, "teacher": teacher}}
    return spec.model_copy(update={"algorithms": algorithms})
