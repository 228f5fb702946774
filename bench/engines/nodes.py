"""What the processes of a run on several nodes tell each other beside torch's process group.

That one exists only while all is well, between a run's start and its end. Through torch's key-value store at the
rendezvous port, which the first process serves, every process says that it is alive and why it ended, and the first one
what its disk holds of the run: the runs folders of the other nodes are neither read nor written. Processes of one
machine need none of this: they read one disk, and their launcher ends them together.
"""

import json
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from bench.engines.stopping import AGAIN, Board, Diverged, Interrupted, RunStopped
from bench.records import RunWriter
from bench.util.errors import BadInput
from bench.util.ports import check_port
from bench.util.ranks import node_rank, rank, spans_nodes, world_size

SECONDS_BETWEEN_BEATS = 1.0
# A process that is not heard of for so long is lost. It may hold Python's lock for seconds: imports, a GPU's start.
SECONDS_OF_SILENCE = 15.0
# How long processes may take to come: a person starts one machine after the other.
SECONDS_TO_COME, SECONDS_UNTIL_NOTICE = 600.0, 5.0
# How long the first process serves the others after its own end, at most.
SECONDS_TO_LEAVE = 20.0
SECONDS_BETWEEN_LOOKS = 0.1
# The store's own limit for one question.
LIMIT = timedelta(seconds=SECONDS_OF_SILENCE)
# Where a process is: its node's number, and that machine's name.
Place = tuple[int, str]


class OneNode:
    """The processes of a run on one machine, or a run's only process: each reads the run's directory itself."""

    def board(self, writer: RunWriter) -> Board:
        """Return where processes leave their errors for each other: the run's directory."""
        return writer

    def from_first(self, what: str, read: Callable[[], Any]) -> Any:
        """Return what is read of the run's directory; on several nodes the first process reads it for all."""
        return read()

    def check_same(self, what: str, value: Any) -> None:
        """Do nothing: on one machine all processes have the same."""


ONE_NODE = OneNode()


def describe_place(place: Place) -> str:
    """Return a node as messages name it."""
    return f"node {place[0]} ({place[1]})"


def lost_words(silent: Collection[int], places: Mapping[int, Place]) -> dict[int, str]:
    """Return, by rank, what is said of processes that are no longer heard of: their node, if none of it is."""
    found = {}
    for process in silent:
        place = places[process]
        siblings = [other for other, where in places.items() if where[0] == place[0]]
        node_lost = all(other in silent for other in siblings)
        what = "it was lost with the whole of" if node_lost else "it was lost on"
        found[process] = f"{what} {describe_place(place)}: no sign of life for {SECONDS_OF_SILENCE:.0f} s. {AGAIN}"
    return found


class Nodes:
    """The processes of a run on several nodes, as this one sees them.

    Raises RunStopped where another process has failed or is lost while this one waits for it.
    """

    def __init__(self, address: str, port: int, process: int, processes: int, place: Place) -> None:
        self.rank, self.world_size, self.place = process, processes, place
        self.first = process == 0
        self._open_store(address, port)
        self._errors: dict[int, str] = {}
        self._read, self._posted = 0, False
        self._heard: dict[int, tuple[bytes, float]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def _open_store(self, address: str, port: int) -> None:
        """Connect to the store, which the first process serves and shares with torch's rendezvous at the same port."""
        from torch.distributed import TCPStore

        def connect(serve: bool) -> Any:
            """Return a connection."""
            return TCPStore(address, port, None, serve, LIMIT, wait_for_workers=False, multi_tenant=True)

        # torchrun serves one itself.
        serve = self.first and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
        try:
            self._store = connect(serve)
            # A connection answers one question at a time; the thread's must not wait for this process's other ones.
            self._own = connect(False)
        except RuntimeError:
            whose = "; it must be an address of this machine, node 0" if self.first else ""
            raise BadInput(f"--master_addr {address}, port {port}: no run answers there{whose}") from None

    def board(self, writer: RunWriter) -> Board:
        """Return where processes leave their errors for each other: here."""
        return self

    def meet(self) -> None:
        """Wait until all processes of the run are there; raise BadInput where two of them have the same number."""
        if self._store.add(f"{self.rank}/came", 1) > 1:
            node, host = self.place
            raise BadInput(f"process {self.rank} is there already: was --node_rank {node} used twice (here on {host})?")
        self._store.add(f"{self.rank}/beat", 1)
        self._store.set(f"{self.rank}/place", json.dumps(self.place))
        self._thread.start()
        if self.first:
            self._wait_for_all()
            self._store.set("all", "true")
        else:
            self._wait("all")

    def _wait_for_all(self) -> None:
        """Wait for the other processes, and say so if it takes long; raise RunStopped if they do not come."""
        began, told = time.monotonic(), False
        while missing := [r for r in range(self.world_size) if not self._store.check([f"{r}/place"])]:
            self._raise_errors()
            waited, numbers = time.monotonic() - began, ", ".join(map(str, missing))
            if waited > SECONDS_TO_COME:
                raise RunStopped(
                    f"processes {numbers} of {self.world_size} did not come within {SECONDS_TO_COME / 60:.0f} minutes: "
                    "each node needs the same --world_size, --master_addr and --master_port, and its own --node_rank"
                )
            if waited > SECONDS_UNTIL_NOTICE and not told:
                told = True
                print(f"waiting for processes {numbers} of {self.world_size}", flush=True)
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _wait(self, key: str) -> Any:
        """Return what another process says under a key, as soon as it does."""
        while True:
            self._raise_errors()
            try:
                if self._store.check([key]):
                    return json.loads(self._store.get(key))
            except RuntimeError:
                self._lose_first()
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _raise_errors(self) -> None:
        """Raise RunStopped with the first error of another process."""
        for process, text in self.read_errors().items():
            raise RunStopped(f"process {process} of the run failed:\n{text}")

    def _lose_first(self) -> None:
        """Remember that the first process is lost: nobody answers any more."""
        words = "it was lost with the whole of node 0, or the connection to it: it no longer answers."
        self._errors.setdefault(0, f"{words} {AGAIN}")

    def from_first(self, what: str, read: Callable[[], Any]) -> Any:
        """Return what the first process reads of the run's directory, as JSON tells it, on every process."""
        if not self.first:
            return self._wait(what)
        value = read()
        self._store.set(what, json.dumps(value))
        return value

    def check_same(self, what: str, value: Any) -> None:
        """Raise BadInput where this process has another value than the first one."""
        theirs = self.from_first(what, lambda: value)
        if theirs != value:
            raise BadInput(f"{describe_place(self.place)} has another {what} than node 0: {value}, not {theirs}")

    def record_error(self, process: int, text: str) -> None:
        """Tell the others of this process's error, unless it has told one already."""
        if not self._posted:
            self._posted = True
            self._post({process: f"on {describe_place(self.place)}:\n{text}"}, self._store)

    def read_errors(self) -> dict[int, str]:
        """Return the errors of other processes that are known here, by rank, the earliest first.

        One of this process's number that it has not left itself is that of another one: two have it, or it is lost.
        """
        return {r: text for r, text in list(self._errors.items()) if r != self.rank or not self._posted}

    def _post(self, errors: Mapping[int, str], store: Any) -> None:
        """Tell errors, by rank, to all."""
        try:
            for process, text in errors.items():
                store.set(f"error/{store.add('errors', 1)}", json.dumps([process, text]))
        except RuntimeError:
            self._lose_first()

    def _beat(self) -> None:
        """Say every second that this process is alive, and hear of the others, until it ends or the first one does."""
        while not self._ended.wait(SECONDS_BETWEEN_BEATS):
            try:
                self._own.add(f"{self.rank}/beat", 1)
                if self.first:
                    self._find_lost()
                while self._read < self._own.add("errors", 0):
                    process, text = json.loads(self._own.get(f"error/{self._read + 1}"))
                    self._read += 1
                    self._errors.setdefault(process, text)
            except RuntimeError:
                self._lose_first()
                return

    def _find_lost(self) -> None:
        """Tell all which processes are no longer heard of."""
        seconds = self._seconds_of_silence(self._own)
        silent = [process for process, waited in seconds.items() if waited > SECONDS_OF_SILENCE]
        if any(process not in self._errors for process in silent):
            there = [r for r in range(self.world_size) if self._own.check([f"{r}/place"])]
            places = {r: json.loads(self._own.get(f"{r}/place")) for r in there}
            self._post({r: text for r, text in lost_words(silent, places).items() if r not in self._errors}, self._own)

    def _seconds_of_silence(self, store: Any) -> dict[int, float]:
        """Return how long each other process that has come, and has not left, has not been heard of."""
        now, found = time.monotonic(), {}
        for process in range(1, self.world_size):
            if store.check([f"{process}/place"]) and not store.check([f"{process}/left"]):
                beat = store.get(f"{process}/beat")
                if process not in self._heard or self._heard[process][0] != beat:
                    self._heard[process] = (beat, now)
                found[process] = now - self._heard[process][1]
        return found

    def leave(self, error: BaseException | None) -> None:
        """Tell the others why this process ends; none leaves as having succeeded before the first one has.

        The first one serves the store until the others have read it.
        """
        if error is not None:
            # The launcher may end this process because of the same error: it has to be told first.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            # By a signal or a number that is none all stop together.
            if not self.read_errors() and not isinstance(error, Interrupted | Diverged):
                told = isinstance(error, RunStopped | BadInput)
                self.record_error(self.rank, str(error) if told else "".join(traceback.format_exception(error)))
        elif self.first:
            self._store.set("finished", "true")
        else:
            self._wait("finished")
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        if self.first:
            self._serve_others()
        else:
            with suppress(RuntimeError):
                self._store.set(f"{self.rank}/left", "true")

    def _serve_others(self) -> None:
        """Wait until the other processes have left or are silent."""
        deadline = time.monotonic() + SECONDS_TO_LEAVE
        while time.monotonic() < deadline:
            seconds = self._seconds_of_silence(self._store)
            if not any(waited < 3 * SECONDS_BETWEEN_BEATS for waited in seconds.values()):
                return
            time.sleep(SECONDS_BETWEEN_LOOKS)


# The processes of a run, on one machine or on several.
Processes = OneNode | Nodes


def wait_for_port(address: str, port: int) -> None:
    """Wait until the first process serves the store; raise BadInput for an unknown address, RunStopped if none does."""
    began, told = time.monotonic(), False
    while True:
        try:
            socket.create_connection((address, port), timeout=SECONDS_UNTIL_NOTICE).close()
            return
        except socket.gaierror as error:
            raise BadInput(f"--master_addr {address}: {error.strerror}") from None
        except OSError as error:
            waited = time.monotonic() - began
            if waited > SECONDS_TO_COME:
                words = f"node 0 did not answer at {address}, port {port}, within {SECONDS_TO_COME / 60:.0f} minutes"
                raise RunStopped(f"{words} ({error.strerror or error}): was it started, is this its address?") from None
        if waited > SECONDS_UNTIL_NOTICE and not told:
            told = True
            print(f"waiting for node 0 at {address}, port {port}", flush=True)
        time.sleep(1.0)


@contextmanager
def joined() -> Iterator[Processes]:
    """Yield the run's processes once all are there; on leaving, also by an error, the others are told."""
    if not spans_nodes():
        yield OneNode()
        return
    # torch would print a trace of its own for each connection that is lost.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    if rank() == 0:
        check_port(world_size())
    else:
        wait_for_port(address, port)
    nodes = Nodes(address, port, rank(), world_size(), (node_rank(), socket.gethostname()))
    try:
        nodes.meet()
        yield nodes
    except BaseException as error:
        nodes.leave(error)
        raise
    else:
        nodes.leave(None)
