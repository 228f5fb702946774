"""Weights that a run learns from or starts from, as a spec names them: a path, found, becomes the SHA-256 of its file.

The digest, not the path, is part of the recipe's identity. Only safetensors files are read: they hold tensors and texts
alone, so that a file of a stranger runs no code. No torch is imported here.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.records import WEIGHTS, RunRecord, find_finished_run
from bench.spec import RunSpec, WeightsSection
from bench.util.errors import BadInput

# How many bytes tell the length of a file's header, and how long that may be at most.
LENGTH, LONGEST = 8, 100_000_000
# What files begin with that torch pickles: a ZIP archive, or a plain pickle.
PICKLED = (b"PK\x03\x04", b"\x80")


@dataclass(frozen=True)
class WeightsFile:
    """A safetensors file: where, its bytes, and the texts that it holds beside its tensors."""

    path: Path
    data: bytes
    metadata: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """Return the digest of the file."""
        return hashlib.sha256(self.data).hexdigest()


def find_trained_run(path: Path) -> RunRecord:
    """Return the finished run of a folder that holds its weights; raise BadInput for anything else."""
    record = find_finished_run(path)
    if not (path / WEIGHTS).is_file():
        raise BadInput(f"the run {path} has left no {WEIGHTS} (records alone have none); train it again")
    return record


def read_weights_file(path: Path) -> WeightsFile:
    """Return a file of weights; raise BadInput for one that cannot be read or is no safetensors file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from None
    return WeightsFile(path, data, read_metadata(data, path))


def read_metadata(data: bytes, path: Path) -> Mapping[str, str]:
    """Return the texts in the header of a safetensors file; raise BadInput for bytes without such a header."""
    length = int.from_bytes(data[:LENGTH], "little")
    try:
        if length > min(LONGEST, len(data)):
            raise ValueError
        metadata = json.loads(data[LENGTH : LENGTH + length]).get("__metadata__") or {}
    except (ValueError, AttributeError, RecursionError):
        why = "a pickle, which could run code and is never loaded" if data.startswith(PICKLED) else "something else"
        raise BadInput(f"{path}: a safetensors file is expected, this is {why}") from None
    return {str(key): str(value) for key, value in metadata.items()} if isinstance(metadata, dict) else {}


def find_weights(path: Path) -> tuple[WeightsFile, str]:
    """Return the weights of a finished run's folder, or of a file, and whose they are, empty where that is not told."""
    if path.is_dir():
        record = find_trained_run(path)
        return read_weights_file(path / WEIGHTS), record.model
    if not path.exists():
        raise BadInput(f"{path}: there is neither a run's folder nor a file; train it first, or name another")
    file = read_weights_file(path)
    return file, file.metadata.get("model", "")


def resolve(declared: Mapping[str, Any], *, runs_only: bool = False) -> dict[str, Any]:
    """Return declared weights with their network and digest filled in.

    Weights that are not here are taken at their declared digest: a record names them wherever it is read, and training
    refuses them. Raises BadInput for a path that holds no weights, and for another network or digest than declared.
    """
    path = Path(declared["path"]).expanduser()
    if declared["sha256"] and not path.exists():
        return dict(declared)
    if runs_only:
        find_trained_run(path)
    file, network = find_weights(path)
    found = {"path": declared["path"], "network": network, "sha256": file.sha256}
    for key in ("network", "sha256"):
        if declared[key] and declared[key] != found[key]:
            raise BadInput(f"{path}: its {key} is {found[key] or 'not told'}, declared is {declared[key]}")
    return found


def read_declared(declared: Mapping[str, Any]) -> WeightsFile:
    """Return the file of resolved weights; raise BadInput where it is another than when the run was declared."""
    file, _ = find_weights(Path(declared["path"]).expanduser())
    if file.sha256 != declared["sha256"]:
        raise BadInput(f"{file.path} has changed since the run was declared")
    return file


def resolve_weights(spec: RunSpec) -> RunSpec:
    """Return a spec whose paths of weights say what they hold; raise BadInput that names the key."""
    key = "model.weights"
    try:
        if spec.model.weights is not None:
            found = WeightsSection(**resolve(spec.model.weights.model_dump()))
            spec = spec.model_copy(update={"model": spec.model.model_copy(update={"weights": found})})
        key = "algorithms.distillation.teacher"
        if "distillation" in spec.algorithms:
            settings = spec.algorithms["distillation"]
            taught = {**settings, "teacher": resolve(settings["teacher"], runs_only=True)}
            spec = spec.model_copy(update={"algorithms": {**spec.algorithms, "distillation": taught}})
    except BadInput as error:
        raise BadInput(f"key '{key}': {error}") from None
    return spec
