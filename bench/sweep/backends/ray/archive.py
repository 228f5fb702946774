"""A run's directory as an archive, by which it moves between machines without a shared disk.

Files are told apart by size and time of change, so that only what is new is packed. They are unpacked each whole or not
at all, checksums before their checkpoints and the result last: wherever this is cut off, the run can go on.
"""

import hashlib
import json
import shutil
import tarfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any

import yaml

from bench.records import CHECKPOINTS, ENVIRONMENT, FAILED, LOCK, RESULT, SPEC, to_json
from bench.util.errors import BadInput
from bench.util.files import replacing, write_atomically

# Size in bytes, and time of the last change in nanoseconds.
Stamp = tuple[int, int]
Listing = Mapping[str, Stamp]
Settle = Callable[[str, bytes], bytes]
CHECKSUM = ".sha256"


def list_files(run: Path) -> dict[str, Stamp]:
    """Return the files of a run's directory by their relative names: no lock, no temporary file, no link."""
    found = {}
    for path in sorted(run.rglob("*")):
        try:
            if path.is_symlink() or not path.is_file() or path.name == LOCK or path.name.endswith(".tmp"):
                continue
            status = path.stat()
        except FileNotFoundError:  # pruned by the run meanwhile
            continue
        found[path.relative_to(run).as_posix()] = (status.st_size, status.st_mtime_ns)
    return found


def is_checkpoint(name: str) -> bool:
    """Tell whether a relative name is that of a checkpoint or its checksum."""
    return name.startswith(f"{CHECKPOINTS}/")


def in_order(names: Iterable[str]) -> list[str]:
    """Return names in the order in which they are written: checksums before checkpoints, the result last."""
    return sorted(names, key=lambda name: (name == RESULT, is_checkpoint(name) and not name.endswith(CHECKSUM), name))


def pack(run: Path, names: Iterable[str], target: IO[bytes], *, compress: bool) -> None:
    """Write files of a run's directory into an archive; one that has been deleted meanwhile is left out.

    Checkpoints are numbers that hardly compress: `compress` costs more time than it saves while they are most of it.
    """
    options: dict[str, Any] = {"mode": "w:gz", "compresslevel": 1} if compress else {"mode": "w"}
    with tarfile.open(fileobj=target, **options) as archive:
        for name in in_order(names):
            try:
                handle = (run / name).open("rb")
            except FileNotFoundError:
                continue
            with handle:
                # Of the open file: a run that appends to it does not change what is packed.
                archive.addfile(archive.gettarinfo(arcname=name, fileobj=handle), handle)


def unpack(source: IO[bytes], run: Path, settle: Settle = lambda name, content: content) -> None:
    """Write the files of an archive into a run's directory, each atomically; `settle` changes small ones.

    Raises BadInput for what no run's directory holds: a link, or a name outside of it.
    """
    run.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=source) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is None or not is_inside(member.name):
                raise BadInput(f"archive of {run}: '{member.name}' is no file of a run")
            target = run / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if member.name in SETTLED:
                write_atomically(target, settle(member.name, content.read()))
            else:
                with replacing(target) as handle:
                    shutil.copyfileobj(content, handle)


def is_inside(name: str) -> bool:
    """Tell whether a relative name stays in the folder it is joined to."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and bool(path.parts)


def drop_checkpoints(run: Path, there: Listing) -> None:
    """Delete the checkpoints that the machine which trains the run has no more, unless it has none at all."""
    kept = {name for name in there if is_checkpoint(name)}
    if kept:
        for name in reversed(in_order(name for name in list_files(run) if is_checkpoint(name) and name not in kept)):
            (run / name).unlink(missing_ok=True)


def digest(file: IO[bytes]) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal digits; it is left at its start."""
    found = hashlib.sha256()
    file.seek(0)
    while piece := file.read(2**20):
        found.update(piece)
    file.seek(0)
    return found.hexdigest()


def settle_at(run: Path, runs: str, node: Mapping[str, Any]) -> Settle:
    """Return what makes a node's files those of a run's directory here: `runs` in its spec, the node in its machine."""

    def settle(name: str, content: bytes) -> bytes:
        """Return the content of one of the files that name the place of the run, or its machine."""
        return SETTLED[name](content, run, runs, node)

    return settle


def settle_spec(content: bytes, run: Path, runs: str, node: Mapping[str, Any]) -> bytes:
    """Return `spec.yaml` with the runs folder of this machine."""
    spec = {**yaml.safe_load(content), "runs": runs}
    return yaml.safe_dump(spec, sort_keys=False, allow_unicode=True).encode()


def settle_environment(content: bytes, run: Path, runs: str, node: Mapping[str, Any]) -> bytes:
    """Return `environment.json` with the node."""
    return to_json({**json.loads(content), **node})


def settle_failure(content: bytes, run: Path, runs: str, node: Mapping[str, Any]) -> bytes:
    """Return `failed.json` with the path of the checkpoint on this machine."""
    failure = json.loads(content)
    checkpoint = failure.get("checkpoint")
    return to_json({**failure, "checkpoint": str(run / CHECKPOINTS / Path(checkpoint).name)} if checkpoint else failure)


def settle_result(content: bytes, run: Path, runs: str, node: Mapping[str, Any]) -> bytes:
    """Return `result.json` with the runs folder of this machine, and the node."""
    result = json.loads(content)
    return to_json({**result, "spec": {**result["spec"], "runs": runs}, "machine": {**result["machine"], **node}})


# The files that name the place of a run or its machine.
SETTLED: dict[str, Callable[[bytes, Path, str, Mapping[str, Any]], bytes]] = {
    SPEC: settle_spec,
    ENVIRONMENT: settle_environment,
    FAILED: settle_failure,
    RESULT: settle_result,
}
