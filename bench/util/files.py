"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bench.util.errors import BadInput


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file so that it is there whole or not at all: temporary name, fsync, rename, fsync of the folder.

    Text is written as UTF-8. Raises OSError when the disk refuses; what was there before is untouched then.
    """
    with replacing(path) as handle:
        handle.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write, which takes the path's place when this is left, as `write_atomically` says."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Raise BadInput where the disk refuses what is written meanwhile: "WHAT cannot be written", and why."""
    try:
        yield
    except OSError as error:
        raise BadInput(f"{what} cannot be written: {error.strerror or error}") from None


def write_output(path: Path, text: str) -> None:
    """Write a file that `--out` asks for, and its folder if need be; raise BadInput where the disk refuses it."""
    with writing(f"--out {path}:"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)


def sync_folder(path: Path) -> None:
    """Flush a folder's entries to the disk, so that a new or renamed file in it survives a power failure."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
