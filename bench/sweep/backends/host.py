"""Locks on the cores and GPUs of this host, held from before a run's start until after its end.

The lock files are in a folder of the user's in the system's temporary directory, or in `BENCH_LOCKS`. A run's processes
inherit the locks: while a run outlives its sweep, no other sweep starts a run on its cores. A run locks its GPUs, or
its cores if it has none; a suite for timing locks all cores and GPUs of the host.
"""

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.sweep.backends.locks import RunLock
from bench.sweep.backends.machine import Machine, Slot, driver_lists
from bench.util.errors import BadInput

VARIABLE = "BENCH_LOCKS"
# In the system's temporary directory.
DEFAULT = "efficient-training-bench-{}"


@dataclass
class CoreLock:
    """Open files whose locks this process holds, and every process that inherited them."""

    handles: tuple[int, ...] = ()

    def release(self) -> None:
        """Release the locks; a process that inherited them still holds them."""
        for handle in self.handles:
            os.close(handle)
        self.handles = ()


class HostLocks:
    """The locks on the cores and GPUs of this host: those of a run's slot, or all of them for a suite.

    `folder` holds the lock files; by default the environment or the system names it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or lock_folder()
        self._kept: list[RunLock] = []

    def take(self, slot: Slot) -> CoreLock | None:
        """Lock a slot for one run and return the locks, None if another run holds a part of the slot.

        Runs of a suite that holds the whole host share its locks; what is returned is released separately.
        """
        return share(self._kept) if self._kept else self._try(names_of(slot))

    def take_all(self, machine: Machine) -> CoreLock | None:
        """Lock the whole host for one run and return the locks, None if another run holds a part of it."""
        return self._try(everything(machine))

    def _try(self, names: Iterable[str]) -> CoreLock | None:
        """Lock cores and GPUs by their names and return the locks, None if others hold one of them."""
        locks = [self._lock(name) for name in names]
        try:
            return share(locks) if all(lock.acquire() for lock in locks) else None
        finally:
            release_all(locks)

    def keep_all(self, machine: Machine, say: Callable[[str], None]) -> None:
        """Lock the whole host until `release`; wait for the runs of others, and say so once."""
        told = False
        # Always in the same order, so that no two sweeps wait for each other.
        for name in everything(machine):
            lock = self._lock(name)
            if not lock.acquire():
                if not told:
                    say(f"waiting for the whole machine (timing: true): another run is using {name}")
                told = True
                lock.wait()
            self._kept.append(lock)

    def release(self) -> None:
        """Release what `keep_all` locked."""
        release_all(self._kept)
        self._kept = []

    def _lock(self, name: str) -> RunLock:
        """Return the lock of a core or GPU."""
        return RunLock(self.folder / f"{name.replace(' ', '-').replace('/', '_')}.lock")


def lock_folder() -> Path:
    """Return the folder of this user's locks, made if need be; raise BadInput if it belongs to another user."""
    return own_folder(VARIABLE)


def own_folder(variable: str, suffix: str = "") -> Path:
    """Return a folder of this user's, made if need be: a variable's value, else one of the system's temporary ones.

    Raises BadInput if it belongs to another user.
    """
    default = Path(tempfile.gettempdir()) / (DEFAULT.format(os.getuid()) + suffix)
    folder = Path(os.environ.get(variable) or default)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.stat().st_uid
    except OSError as error:
        raise BadInput(f"{variable}: {folder} cannot be created: {error.strerror or error}") from None
    if owner != os.getuid():
        raise BadInput(f"{variable}: {folder} belongs to another user; set {variable} to a folder of your own")
    return folder


def names_of(slot: Slot) -> list[str]:
    """Return what a run in a slot locks: its GPUs, or its cores if it has none."""
    return [f"GPU {gpu}" for gpu in slot.gpus] or [f"core {core}" for core in slot.cores]


def everything(machine: Machine) -> list[str]:
    """Return all cores and GPUs of the host, sorted by name, including those that this process may not use."""
    cores = {*range(os.cpu_count() or 1), *machine.cores}
    return sorted([*(f"core {core}" for core in cores), *(f"GPU {gpu}" for gpu in {*machine.gpus, *driver_lists()})])


def share(locks: Iterable[RunLock]) -> CoreLock:
    """Return locks that outlast the release of those given: one is held until the last copy of its file is closed."""
    return CoreLock(tuple(os.dup(lock.handle) for lock in locks))


def release_all(locks: Iterable[RunLock]) -> None:
    """Release locks."""
    for lock in locks:
        lock.release()
