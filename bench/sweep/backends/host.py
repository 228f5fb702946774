"""Which cores and GPUs of this host are in use: a lock on each, held from before a run's start to after its end.

The locks are files in a folder of this user's below the system's temporary directory, or in `BENCH_LOCKS`. A run's
processes inherit them, so a run that outlives its sweep keeps its place, and no sweep starts another beside it. A run
locks its GPUs, or its cores where it has none; a suite for timing locks all that the host has.
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


@dataclass
class CoreLock:
    """Open files whose locks are held, by this process and by each that inherited them."""

    handles: tuple[int, ...] = ()

    def release(self) -> None:
        """Give the locks back; a process that inherited them keeps them."""
        for handle in self.handles:
            os.close(handle)
        self.handles = ()


class HostLocks:
    """The cores and GPUs of this host, to be taken for a run or all at once for a whole suite."""

    def __init__(self, folder: Path | None = None) -> None:
        """Take the folder of the locks; the environment or the system names it if it is left out."""
        self.folder = folder or lock_folder()
        self._kept: list[RunLock] = []

    def take(self, slot: Slot) -> CoreLock | None:
        """Lock a slot for one run, None when others hold a part of it; runs of a suite that holds all share its locks.

        What is returned is to be released by itself, whether or not the suite holds the host.
        """
        if self._kept:
            return hold_again(self._kept)
        claims = [self._claim(name) for name in names_of(slot)]
        try:
            return hold_again(claims) if all(claim.acquire() for claim in claims) else None
        finally:
            release_all(claims)

    def keep_all(self, machine: Machine, say: Callable[[str], None]) -> None:
        """Lock the whole host until `release`; wait for what others hold, and say so once."""
        told = False
        # In one order everywhere, so that no two wait for what the other has.
        for name in everything(machine):
            claim = self._claim(name)
            if not claim.acquire():
                if not told:
                    say(f"waiting for the whole machine: another run holds {name}, and with timing: true each is alone")
                told = True
                claim.wait()
            self._kept.append(claim)

    def release(self) -> None:
        """Give back what `keep_all` locked."""
        release_all(self._kept)
        self._kept = []

    def _claim(self, name: str) -> RunLock:
        """Return the claim on a core or GPU."""
        return RunLock(self.folder / f"{name.replace(' ', '-').replace('/', '_')}.lock")


def lock_folder() -> Path:
    """Return the folder of this user's locks, made if need be; raise BadInput when it is another user's."""
    default = Path(tempfile.gettempdir()) / f"efficient-training-bench-{os.getuid()}"
    folder = Path(os.environ.get(VARIABLE) or default)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.stat().st_uid
    except OSError as error:
        raise BadInput(f"{VARIABLE}: {folder} cannot be made: {error.strerror or error}") from None
    if owner != os.getuid():
        raise BadInput(f"{VARIABLE}: {folder} is another user's: set it to a folder of your own")
    return folder


def names_of(slot: Slot) -> list[str]:
    """Return what a run in a slot locks: its GPUs, or its cores where it has none."""
    return [f"GPU {gpu}" for gpu in slot.gpus] or [f"core {core}" for core in slot.cores]


def everything(machine: Machine) -> list[str]:
    """Return all cores and GPUs of the host, also those that this process may not use, in the order of their names."""
    cores = {*range(os.cpu_count() or 1), *machine.cores}
    return sorted([*(f"core {core}" for core in cores), *(f"GPU {gpu}" for gpu in {*machine.gpus, *driver_lists()})])


def hold_again(claims: Iterable[RunLock]) -> CoreLock:
    """Return a hold on claims that outlives their release: a lock is held until the last copy of its file is closed."""
    return CoreLock(tuple(os.dup(claim.handle) for claim in claims))


def release_all(claims: Iterable[RunLock]) -> None:
    """Give claims back."""
    for claim in claims:
        claim.release()
