"""Train on this machine: each run is a process group on cores and GPUs of its own, which are locked on the host."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from bench.data.datasets import data_root, find_folder
from bench.sweep.backends.host import CoreLock, HostLocks
from bench.sweep.backends.interface import Exit
from bench.sweep.backends.locks import RunLock
from bench.sweep.backends.machine import Machine, Slot, find_machine, make_slots
from bench.sweep.backends.tree import Launcher, Tree, compose, explain_exit
from bench.sweep.states import last_lines, log_path, slug
from bench.sweep.suite import PlannedRun, Suite
from bench.sweep.timing.estimate import Estimate, estimate_on
from bench.util.files import write_atomically
from bench.util.ports import free_port

SPECS = "specs"


class LocalJob:
    """A run's process group in a slot, whose cores and GPUs are locked until it ends."""

    def __init__(self, tree: Tree, slot: Slot, port: int, locks: CoreLock, log: Path) -> None:
        self.slot, self.port, self.running = slot, port, True
        self._tree, self._locks, self._log = tree, locks, log

    @property
    def where(self) -> str:
        """Return the slot's cores and GPUs."""
        return self.slot.name

    def poll(self) -> Exit | None:
        """Return how the launcher ended once none of its processes is left, None before that."""
        code = self._tree.poll()
        if code is None:
            return None
        self._release()
        return Exit(code, explain_exit(code), last_lines(self._log, self._tree.log_start))

    def stop(self) -> None:
        """Ask the run to save a checkpoint and exit."""
        self._tree.stop()

    def kill(self) -> None:
        """Kill all processes of the run."""
        self._tree.kill()
        self._release()

    def _release(self) -> None:
        """Unlock the slot."""
        self._locks.release()
        self.running = False


class LocalBackend:
    """The cores and GPUs of this machine, in as many slots as there are workers."""

    def __init__(self, suite: Suite, *, launcher: Launcher = compose, machine: Machine | None = None) -> None:
        self.suite, self.launcher, self.machine = suite, launcher, machine or find_machine()
        self._jobs: list[LocalJob] = []

    @cached_property
    def host(self) -> HostLocks:
        """Return the locks of this host; nothing is written before they are needed."""
        return HostLocks()

    def prepare(self, run: PlannedRun) -> None:
        """Find a run's data set, or draw it if it is the embedded one; raise BadInput if it is not available."""
        find_folder(run.spec.data.name, data_root(run.spec.data.root))

    @contextmanager
    def exclusive(self, say: Callable[[str], None]) -> Iterator[None]:
        """Hold all cores and GPUs of the host while entered; wait for those that are in use, and say so."""
        try:
            self.host.keep_all(self.machine, say)
            yield
        finally:
            self.host.release()

    def estimate(self, runs: Sequence[PlannedRun], workers: int | None, *, timed: bool, anew: bool) -> Estimate:
        """Return what runs cost on this machine and how many to train at a time, measuring what is not known yet."""
        return estimate_on(self.machine, self.suite, runs, workers, timed=timed, anew=anew)

    def places(self, workers: int) -> list[Slot]:
        """Return the slots that no job of this backend is using."""
        busy = {job.slot.index for job in self._jobs if job.running}
        slots = make_slots(self.machine, workers, self.suite.processes)
        return [slot for slot in slots if slot.index not in busy]

    def start(self, run: PlannedRun, place: Slot, lock: RunLock) -> LocalJob | None:
        """Start a run in a slot, None if another sweep's run is using it; the processes inherit all locks."""
        locks = self.host.take(place)
        if locks is None:
            return None
        port = free_port([job.port for job in self._jobs if job.running])
        log = log_path(self.suite, run)
        try:
            command = self.launcher(run, self._write_spec(run, place), self.suite.processes, port)
            tree = Tree(command, place, log, (lock.handle, *locks.handles))
        except OSError:
            locks.release()
            raise
        self._jobs.append(LocalJob(tree, place, port, locks, log))
        return self._jobs[-1]

    def _write_spec(self, run: PlannedRun, slot: Slot) -> Path:
        """Write a run's resolved spec, with the slot's threads, to the file that the run reads, and return its path."""
        path = self.suite.folder / SPECS / f"{slug(run)}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        spec = run.spec.model_copy(update={"threads": slot.threads})
        write_atomically(path, spec.model_dump_json(indent=1).encode())
        return path
