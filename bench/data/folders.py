"""Make a folder whole or not at all, and only once, whatever stops or races it."""

import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.util.errors import BadInput


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn a failure to write into BadInput that names the folder."""
    try:
        yield
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(
            f"cannot write {folder}: {reason}. "
            "Set BENCH_DATA (or --root, data.root) to a writable folder with enough space"
        ) from None


def _remove(path: Path) -> None:
    """Remove a folder, or a link to one."""
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def _refuse_foreign(folder: Path, own: Collection[str]) -> None:
    """Raise BadInput if replacing a folder would remove files that are not ours."""
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if foreign := sorted(present.difference(own)):
        raise BadInput(f"{folder} is not replaced, because it also contains '{foreign[0]}'; move that away first")


def _replace(new: Path, folder: Path) -> None:
    """Rename `new` to `folder`, and remove what was there."""
    if not os.path.lexists(folder):
        new.rename(folder)
        return
    aside = new.with_name(f"{new.name}-old")
    folder.rename(aside)
    new.rename(folder)
    _remove(aside)


def _flush(folder: Path) -> None:
    """Wait until every file of a folder is on the disk."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def make_folder(
    folder: Path, write: Callable[[Path], None], *, own: Collection[str], force: bool = False, keep: bool = False
) -> bool:
    """Fill `folder` by `write`, atomically and only once; return False if it was there (and `force` was not given).

    `write(temporary)` gets an empty folder on the same disk; when it raises, nothing remains. With `keep` what it left
    does remain, and is what the next one goes on from. With `force` a folder that holds nothing but files named in
    `own` is replaced. Processes wait for each other by a lock beside the folder.
    Raises BadInput if the disk is full or cannot be written.
    """
    from filelock import FileLock

    # A folder that is there is whole: no lock, so that it may lie on a read-only disk.
    if folder.exists() and not force:
        return False
    with _writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if folder.exists() and not force:
                return False
            _refuse_foreign(folder, own)
            if keep:
                _go_on(folder, write)
            else:
                _make(folder, write)
    return True


def _go_on(folder: Path, write: Callable[[Path], None]) -> None:
    """Fill a folder of a fixed name, which is kept when that is stopped, and rename it; the caller holds the lock."""
    partial = folder.parent / f".{folder.name}.partial"
    partial.mkdir(exist_ok=True)
    write(partial)
    _flush(partial)
    _replace(partial, folder)


def _make(folder: Path, write: Callable[[Path], None]) -> None:
    """Fill a temporary folder and rename it; the caller holds the lock, so what another one left can be removed."""
    prefix = f".{folder.name}.tmp-"
    for left in folder.parent.glob(f"{prefix}*"):
        _remove(left)
    temporary = folder.parent / f"{prefix}{secrets.token_hex(4)}"
    try:
        temporary.mkdir()
        write(temporary)
        _flush(temporary)
        _replace(temporary, folder)
    finally:
        _remove(temporary)
