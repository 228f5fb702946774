"""One run on a node of a Ray cluster, as an actor: it is sent the run, trains it, and hands back what the run leaves.

It works in a folder of its own, below `BENCH_WORK` or the system's temporary directory, which is deleted at the end; if
its process is killed, by the next run on the node. The run's processes end with it, however it ends.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.environment import REPOSITORY
from bench.records import EPOCHS, RESULT, run_directory
from bench.spec import RunSpec
from bench.sweep.backends.host import CoreLock, HostLocks, own_folder
from bench.sweep.backends.locks import RunLock
from bench.sweep.backends.machine import Machine, Slot, deal, driver_lists, find_gpus, usable_cores
from bench.sweep.backends.ray.archive import Listing, digest, is_checkpoint, list_files, pack, unpack
from bench.sweep.backends.ray.nodes import (
    Description,
    describe_node,
    lacks_data,
    machine_kind,
    node_name,
    other_version,
    share_of_gpus,
)
from bench.sweep.backends.tree import Launcher, Tree
from bench.sweep.suite import PlannedRun
from bench.util.errors import BadInput
from bench.util.parent import with_parent
from bench.util.ports import free_port

VARIABLE = "BENCH_WORK"
# Bytes that are sent at a time: memory of Ray's that a run uses.
CHUNK = 8 * 2**20


@dataclass(frozen=True)
class Request:
    """A run for a node: its resolved spec, launcher and processes; the CPUs, GPUs and bytes of memory that it is given.

    `alone` asks for all cores of a node, and no other run on it. `here` describes the machine of the sweep, `checked`
    names the nodes that had its version of the suite when the sweep began.
    """

    spec: RunSpec
    launcher: Launcher
    processes: int
    cpus: int
    gpus: int
    memory: int
    alone: bool
    here: Description
    checked: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Started:
    """Whether a run could be started, or waits for cores that others use; where; the kind of node.

    `files` are those that the run has at its start.
    """

    running: bool
    where: str
    kind: str = ""
    files: Listing = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """How a run stands: the launcher's exit code (None while it lasts), new output, its epochs (None: unchanged).

    `checkpoints` are those on the node.
    """

    code: int | None
    output: bytes
    epochs: bytes | None
    checkpoints: Listing


@dataclass(frozen=True)
class Parcel:
    """An archive that can be read piece by piece: its size in bytes, its SHA-256, and the files of the run by now."""

    size: int
    sha256: str
    files: Listing


class RunWorker:
    """Train one run on this node; every method returns at once, but for the transfer and the data set."""

    def __init__(self, request: Request) -> None:
        self.request, (self._id, self.node) = request, this_node()
        self._tree: Tree | None = None
        self._held: CoreLock | None = None

    def open(self) -> str:
        """Make the run's folder, and check that it can be trained here; return why it cannot, or an empty text."""
        try:
            self._folder, self._lock = new_folder(own_folder(VARIABLE, "-work"))
        except BadInput as error:
            return f"{self.node}: {error}"
        self._spec = self.request.spec.model_copy(update={"runs": str(self._folder / "runs")})
        self._run, self._log = run_directory(self._spec), self._folder / "log.txt"
        self._parcel = (self._folder / "parcel.tar").open("w+b")
        new = self._id not in self.request.checked
        refused = other_version(self.node, describe_node(), self.request.here) if new else ""
        if refused:
            return refused
        lacking = lacks_data(self._spec)
        return f"{self.node}: {lacking}" if lacking else ""

    def receive(self, data: bytes) -> None:
        """Append to the archive of what is known of the run."""
        self._parcel.write(data)

    def unpack(self) -> None:
        """Unpack what was received into the run's directory."""
        self._parcel.seek(0)
        unpack(self._parcel, self._run)

    def start(self) -> Started:
        """Start the run on cores of this node that no other run holds."""
        taken = take_cores(self.request)
        if taken is None:
            return Started(False, f"{self.node}, the next free cores")
        slot, self._held = taken
        spec, file = self._spec.model_copy(update={"threads": slot.threads}), self._folder / "spec.json"
        file.write_text(spec.model_dump_json(indent=1), encoding="utf-8")
        files = list_files(self._run)
        command = self.request.launcher(PlannedRun(spec, self._run, ()), file, self.request.processes, free_port(()))
        # The kernel ends the run with this thread, the process's main one, which executes all of an actor's methods.
        self._tree = Tree(with_parent(command), slot, self._log, self._held.handles, REPOSITORY)
        return Started(True, f"{self.node}, {slot.name}", machine_kind(), files=files)

    def look(self, log: int, epochs: int) -> Look:
        """Return how the run stands, its output after so many bytes, and its epochs if they have another size."""
        assert self._tree is not None, "start it first"
        code = self._tree.poll()
        path = self._run / EPOCHS
        rows = path.read_bytes() if path.is_file() and path.stat().st_size != epochs else None
        saved = {name: stamp for name, stamp in list_files(self._run).items() if is_checkpoint(name)}
        return Look(code, read_from(self._log, log), rows, saved)

    def pack(self, known: Listing, *, everything: bool) -> Parcel:
        """Pack the files that are not known as they are now: all, compressed, or what the run can go on from."""
        files = list_files(self._run)
        names = [name for name, stamp in files.items() if known.get(name) != stamp]
        if not everything:
            names = [name for name in names if name != RESULT and ("/" not in name or is_checkpoint(name))]
        self._parcel.seek(0)
        self._parcel.truncate()
        pack(self._run, names, self._parcel, compress=everything)
        size = self._parcel.tell()
        packed = {name: files[name] for name in (*names, *known) if name in files}
        return Parcel(size, digest(self._parcel), packed)

    def read(self, start: int) -> bytes:
        """Return a piece of the archive."""
        self._parcel.seek(start)
        return self._parcel.read(CHUNK)

    def stop(self) -> None:
        """Ask the run to save a checkpoint and exit."""
        if self._tree is not None:
            self._tree.stop()

    def close(self) -> None:
        """Delete what the run has left on this node."""
        if self._tree is not None:
            self._tree.kill()
        if self._held is not None:
            self._held.release()
        self._parcel.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._lock.release()


def this_node() -> tuple[str, str]:
    """Return the id of this node, and its name as shown to the user."""
    import ray

    identity = ray.get_runtime_context().get_node_id()
    return identity, node_name(ray.util.get_node_ip_address(), identity)


def take_cores(request: Request) -> tuple[Slot, CoreLock] | None:
    """Return cores and GPUs of this node for a run, and the locks on them; None while others hold them."""
    host, machine = HostLocks(), Machine(usable_cores(), find_gpus(os.environ)[: request.gpus])
    for slot in slots_of(machine, request):
        held = host.take_all(machine) if request.alone else host.take(slot)
        if held is not None:
            return slot, held
    return None


def slots_of(machine: Machine, request: Request) -> Sequence[Slot]:
    """Return where a run can be trained on a node: with its GPUs, or on any part with as many cores as it has CPUs.

    A run alone on its node, or with more CPUs than there are cores, has all of them.
    """
    if request.alone:
        parts = [machine.cores]
    elif machine.gpus:
        parts = [share_of_gpus(machine.cores, driver_lists(), machine.gpus)]
    else:
        parts = deal(machine.cores, max(1, len(machine.cores) // request.cpus))
    return [
        Slot(index, cores, machine.gpus, max(1, len(cores) // request.processes)) for index, cores in enumerate(parts)
    ]


def read_from(path: Path, start: int) -> bytes:
    """Return a piece of a file from a position on; nothing if there is no file."""
    if not path.is_file():
        return b""
    with path.open("rb") as handle:
        handle.seek(start)
        return handle.read(CHUNK)


def new_folder(root: Path) -> tuple[Path, RunLock]:
    """Return a new folder and the lock that says it is in use; delete those of workers that were killed."""
    with locked(root):
        for old in root.glob("run-*"):
            lock = RunLock(old / "lock")
            if lock.acquire():
                shutil.rmtree(old, ignore_errors=True)
                lock.release()
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=root))
        lock = RunLock(folder / "lock")
        lock.wait()
    return folder, lock


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Let no other worker of this machine make or delete folders while entered."""
    lock = RunLock(root / "lock")
    lock.wait()
    try:
        yield
    finally:
        lock.release()
