"""Locks on runs: a sweep holds that of each run from before its start until after its end.

A run's own lock (`run.lock`, see `bench.records`) is taken by the training process, tens of seconds after its start.
The sweep's lock, `<runs>/<experiment>/locks/<run>.lock`, keeps another sweep from starting the run in the meantime. The
launcher of the run inherits the open file, so the lock outlives a sweep that is killed, for as long as the run lasts.
"""

import fcntl
import os
from pathlib import Path

from bench.records import LOCK
from bench.util.files import writing

LOCKS = "locks"


class RunLock:
    """An exclusive lock on a file, held from `acquire` to `release` and by every process that inherited it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def acquire(self) -> bool:
        """Try to take the lock and return whether it is held now; raise BadInput when the file cannot be written."""
        if self._file is not None:
            return True
        handle = self._open()
        if not try_lock(handle):
            os.close(handle)
            return False
        self._file = handle
        return True

    def wait(self) -> None:
        """Wait until the lock is free, and take it."""
        if self._file is None:
            handle = self._open()
            fcntl.flock(handle, fcntl.LOCK_EX)
            self._file = handle

    def _open(self) -> int:
        """Open the lock's file; raise BadInput when it cannot be written."""
        with writing(f"lock file {self.path}"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    @property
    def handle(self) -> int:
        """Return the open file, for a process that is to inherit the lock."""
        assert self._file is not None, "only a lock that is held can be inherited"
        return self._file

    def release(self) -> None:
        """Release the lock; a process that inherited it still holds it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def try_lock(handle: int) -> bool:
    """Try to lock an open file and return whether it is locked now."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_of(run: Path) -> RunLock:
    """Return the sweep's lock on the run in a directory."""
    return RunLock(run.parent / LOCKS / f"{run.name}.lock")


def is_locked(path: Path) -> bool:
    """Tell whether a process holds a lock file; a missing file is not held."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not try_lock(handle)
    finally:
        os.close(handle)


def is_running(run: Path) -> bool:
    """Tell whether some process is training the run in a directory or is about to.

    The run's own lock is tested only when no sweep holds the run: testing takes it for a moment, and a training process
    that a sweep has started must not find it taken.
    """
    return is_locked(lock_of(run).path) or is_locked(run / LOCK)
