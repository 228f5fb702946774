"""Who trains which run: a claim that a sweep holds on a run from before its start to after its end.

A run's own lock (`run.lock`, see `bench.records`) is taken by the training process, tens of seconds after its start.
The claim, `<runs>/<experiment>/locks/<run>.lock`, keeps another sweep from starting the run meanwhile. The launcher of
the run inherits the open file, so the claim outlives a sweep that is killed for as long as its launcher trains.
"""

import fcntl
import os
from pathlib import Path

from bench.records import LOCK
from bench.util.errors import BadInput

LOCKS = "locks"


class RunLock:
    """An exclusive claim on a file, held from `acquire` to `release` and by every process that inherited it."""

    def __init__(self, path: Path) -> None:
        """Take the path of the claim's file; nothing is written yet."""
        self.path = path
        self._file: int | None = None

    def acquire(self) -> bool:
        """Try to take the claim and return whether it is held now; raise BadInput when no file can be written."""
        if self._file is not None:
            return True
        handle = self._open()
        if not try_lock(handle):
            os.close(handle)
            return False
        self._file = handle
        return True

    def wait(self) -> None:
        """Take the claim, once those that hold it have given it back."""
        if self._file is None:
            handle = self._open()
            fcntl.flock(handle, fcntl.LOCK_EX)
            self._file = handle

    def _open(self) -> int:
        """Open the claim's file; raise BadInput when none can be written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise BadInput(f"lock: {self.path} cannot be written: {error.strerror or error}") from None

    @property
    def handle(self) -> int:
        """Return the open file, for a process that is to inherit the claim."""
        assert self._file is not None, "only a claim that is held can be handed on"
        return self._file

    def release(self) -> None:
        """Give the claim back; a process that inherited it keeps it."""
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
    """Return the claim on the run in a directory."""
    return RunLock(run.parent / LOCKS / f"{run.name}.lock")


def is_locked(path: Path) -> bool:
    """Tell whether a process holds a lock file; a file that is not there is not held."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not try_lock(handle)
    finally:
        os.close(handle)


def is_running(run: Path) -> bool:
    """Tell whether some process trains the run in a directory or is about to.

    The run's own lock is looked at only when no sweep has the claim: looking takes it for a moment, and a training
    process that a sweep has started must not find it taken.
    """
    return is_locked(lock_of(run).path) or is_locked(run / LOCK)
