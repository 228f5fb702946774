"""A run that is trained on the nodes of a Ray cluster: on one of them, and on another if that is lost.

While it lasts, its output and epochs come back every second, its checkpoints as often as the sweep says: a lost node
costs what was trained since. All that it has left comes back at its end. A run that fails is not tried again.
"""

import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

from bench.engines.stopping import AGAIN
from bench.records import EPOCHS
from bench.sweep.backends.interface import Exit
from bench.sweep.backends.ray.archive import Stamp, digest, drop_checkpoints, list_files, pack, settle_at, unpack
from bench.sweep.backends.ray.connect import Node, only_on
from bench.sweep.backends.ray.worker import CHUNK, Look, Parcel, Request, RunWorker, Started
from bench.sweep.backends.tree import explain_exit
from bench.sweep.states import last_lines, log_path
from bench.sweep.suite import PlannedRun, Suite
from bench.util.cli import BAD_INPUT, FAILED
from bench.util.errors import BadInput, first_line
from bench.util.files import write_atomically

SECONDS_BETWEEN_LOOKS = 1.0
# A run that loses so many nodes in a row, and no checkpoint comes back in between, is what ends them.
MOST_LOSSES = 3
ANYWHERE = "the next free node"
STOPPED = 143


class Stopped(Exception):
    """Say that the run was asked to stop before it was started."""


@dataclass(frozen=True)
class Terms:
    """How a job is trained: the seconds between fetching checkpoints, and for a run alone on a node, which is free.

    `choose` returns a node that is then taken until `release`, None while there is none.
    """

    fetch_every: float
    choose: Callable[[], Node | None] | None = None
    release: Callable[[Node], None] = lambda node: None


class RayJob:
    """A run's attempts, one after the other, in a thread of this process."""

    def __init__(self, suite: Suite, run: PlannedRun, request: Request, terms: Terms) -> None:
        self.running, self.where = True, ANYWHERE
        self.run, self.request, self.terms, self.log = run, request, terms, log_path(suite, run)
        self.stopping, self.killed = threading.Event(), False
        self._attempt: Attempt | None = None
        self._exit: Exit | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name=run.label, daemon=True)
        self._thread.start()

    def poll(self) -> Exit | None:
        """Return how the job ended once all that the run has left is here, None before that.

        Raises BadInput when the cluster is lost.
        """
        if self._thread.is_alive():
            return None
        self.running = False
        if self._error is not None:
            raise self._error
        return self._exit

    def stop(self) -> None:
        """Ask the run to save a checkpoint and exit."""
        self.stopping.set()

    def kill(self) -> None:
        """Kill all processes of the run."""
        self.killed = True
        self.stopping.set()
        if self._attempt is not None:
            self._attempt.end()
        self._thread.join(timeout=10.0)
        self.running = False

    def _work(self) -> None:
        """Train, and note how it ended."""
        try:
            self._exit = self._train()
        except ConnectionError as error:
            self._error = BadInput(f"the Ray cluster is lost ({first_line(error)}). {AGAIN}")
        except BadInput as error:
            self._exit = Exit(BAD_INPUT, first_line(error))
        except OSError as error:
            self._exit = Exit(FAILED, f"cannot be recorded: {first_line(error)}")
        except Exception as error:  # raised again where the sweep polls
            self._error = error

    def _train(self) -> Exit:
        """Train on one node after the other until one of them has not been lost; return how the run ended."""
        losses = 0
        while True:
            attempt = self._attempt = Attempt(self)
            try:
                return attempt.train()
            except Stopped:
                return Exit(STOPPED, "stopped before it was started")
            except lost_errors() as error:
                if self.killed or self.stopping.is_set():
                    return Exit(STOPPED, f"{self.where} was lost while the run was being stopped")
                losses = 1 if attempt.saved else losses + 1
                reason = f"{self.where} was lost ({first_line(error)[:200]})"
            except task_error() as error:
                return Exit(FAILED, f"{self.where}: {first_line(error.cause or error)}", last_lines(self.log))
            finally:
                attempt.end()
            self.where = ANYWHERE
            self.say(f"{reason}; going on elsewhere")
            if losses == MOST_LOSSES:
                return Exit(FAILED, f"{losses} nodes were lost in a row before a checkpoint came back; {reason}")

    def say(self, text: str) -> None:
        """Append a line of the sweep's own to the run's log."""
        self.write_log(f"# {text}\n".encode())

    def write_log(self, output: bytes) -> None:
        """Append output of the run to its log."""
        if output:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("ab") as handle:
                handle.write(output)


class Attempt:
    """One attempt to train a run on a node: send what is known of it, watch it, fetch what it leaves."""

    def __init__(self, job: RayJob) -> None:
        self.job, self.run, self.saved = job, job.run, False
        self._worker: Any = None
        self._node: Node | None = None
        self._known: dict[str, Stamp] = {}
        self._node_facts: Mapping[str, Any] = {}
        self._fetched = time.monotonic()
        self._told = False

    def train(self) -> Exit:
        """Train on a node until the run ends; return how, once all that it has left is here."""
        self._worker = self._make_worker()
        refused = self._send()
        if refused:
            return Exit(BAD_INPUT, refused, [refused])
        self._start()
        code, log_start = self._watch()
        self._fetch(everything=True)
        self._get(self._worker.close.remote())
        return Exit(code, f"{explain_exit(code)} on {self.job.where}", last_lines(self.job.log, log_start))

    def end(self) -> None:
        """Kill the worker, and with it what is left of the run; give back its node."""
        import ray

        if self._worker is not None:
            ray.kill(self._worker)
        if self._node is not None:
            self.job.terms.release(self._node)
            self._node = None

    def _make_worker(self) -> Any:
        """Return a new actor; Ray chooses its node, or it is one that is free for a run alone."""
        import ray

        request = self.job.request
        needs: dict[str, Any] = {"num_cpus": request.cpus, "num_gpus": request.gpus, "max_restarts": 0}
        if self.job.terms.choose is not None:
            self._node = self._wait_for(self.job.terms.choose)
            needs |= {"num_cpus": self._node.cpus, "scheduling_strategy": only_on(self._node.id)}
        elif request.memory:
            needs["memory"] = request.memory
        if self.job.killed:
            raise Stopped
        return ray.remote(RunWorker).options(**needs).remote(request)

    def _send(self) -> str:
        """Send what is known of the run; return why it cannot be trained there, or an empty text."""
        refused = str(self._get(self._worker.open.remote(), start=True))
        if not refused and self.run.path.is_dir():
            with tempfile.TemporaryFile() as archive:
                pack(self.run.path, list_files(self.run.path), archive, compress=False)
                archive.seek(0)
                while piece := archive.read(CHUNK):
                    self._get(self._worker.receive.remote(piece), start=True)
            self._get(self._worker.unpack.remote(), start=True)
        return refused

    def _start(self) -> None:
        """Start the run as soon as cores are free there."""

        def start() -> Started | None:
            """Start the run unless the cores are in use."""
            answer = self._get(self._worker.start.remote())
            self.job.where = answer.where
            return answer if answer.running else None

        started = self._wait_for(start)
        self._known, self._node_facts = dict(started.files), {"kind": started.kind}
        self.job.say(f"on {started.where}: {started.kind}")

    def _wait_for(self, attempt: Callable[[], Any]) -> Any:
        """Return the first answer that is not None; raise Stopped if the run is to stop before."""
        while not self.job.stopping.is_set():
            answer = attempt()
            if answer is not None:
                return answer
            self.job.stopping.wait(SECONDS_BETWEEN_LOOKS)
        raise Stopped

    def _watch(self) -> tuple[int, int]:
        """Follow the run to its end; return the launcher's exit code, and where its output starts in the log."""
        log, read, epochs = self.job.log, 0, -1
        log_start = log.stat().st_size
        while True:
            look: Look = self._get(self._worker.look.remote(read, epochs))
            self.job.write_log(look.output)
            read += len(look.output)
            if look.epochs is not None:
                epochs = len(look.epochs)
                self.run.path.mkdir(parents=True, exist_ok=True)
                write_atomically(self.run.path / EPOCHS, look.epochs)
            if look.code is None:
                self._go_on(look)
            elif not look.output:
                return look.code, log_start

    def _go_on(self, look: Look) -> None:
        """Pass on that the run is to stop, fetch checkpoints if that is due, and wait a little."""
        if self.job.stopping.is_set() and not self._told:
            self._told = True
            self._get(self._worker.stop.remote())
        new = any(self._known.get(name) != stamp for name, stamp in look.checkpoints.items())
        if new and time.monotonic() - self._fetched >= self.job.terms.fetch_every:
            self._fetch(everything=False)
            self.saved = True
        if self._told:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        else:
            self.job.stopping.wait(SECONDS_BETWEEN_LOOKS)

    def _fetch(self, *, everything: bool) -> None:
        """Fetch what is new in the run's directory on the node, and write it into the one here."""
        parcel: Parcel = self._get(self._worker.pack.remote(self._known, everything=everything))
        with tempfile.TemporaryFile() as archive:
            self._read(parcel, archive)
            unpack(archive, self.run.path, settle_at(self.run.path, self.run.spec.runs, self._node_facts))
        drop_checkpoints(self.run.path, parcel.files)
        self._known, self._fetched = dict(parcel.files), time.monotonic()

    def _read(self, parcel: Parcel, archive: IO[bytes]) -> None:
        """Read a parcel piece by piece; raise OSError if it did not arrive as it was packed."""
        while archive.tell() < parcel.size:
            archive.write(self._get(self._worker.read.remote(archive.tell())))
        if digest(archive) != parcel.sha256:
            raise OSError(f"what {self.job.where} sent of the run is damaged")

    def _get(self, reference: Any, *, start: bool = False) -> Any:
        """Return a result of the worker; while it has not started, raise Stopped if the run is to stop."""
        import ray

        while not ray.wait([reference], timeout=SECONDS_BETWEEN_LOOKS)[0]:
            if start and self.job.stopping.is_set():
                raise Stopped
        return ray.get(reference)


def lost_errors() -> tuple[type[Exception], ...]:
    """Return what Ray raises when a worker or its node is lost."""
    from ray import exceptions as e

    return (
        e.RayActorError,
        e.ActorUnschedulableError,
        e.NodeDiedError,
        e.ObjectLostError,
        e.OutOfMemoryError,
        e.WorkerCrashedError,
    )


def task_error() -> Any:
    """Return what Ray raises for an error in a worker's own code."""
    from ray.exceptions import RayTaskError

    return RayTaskError
