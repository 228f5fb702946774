"""How a run stops before its end: asked to by a signal, by numbers that are none, or by the death of one process.

Every such end is a `RunStopped`, whose text says what happened and how to go on, and whose exit code is 128 + the
signal (143 for SIGTERM, 130 for SIGINT), as shells and job schedulers expect, or 1 for a failure.
"""

import errno
import math
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Protocol

from bench.records import RunWriter
from bench.util.cli import FAILED
from bench.util.console import CLEAR
from bench.util.errors import BadInput
from bench.util.ranks import local_rank, node_rank, rank, spans_nodes

AGAIN = "Run the same command again to resume."
SECONDS_BETWEEN_LOOKS, SECONDS_TO_END = 0.5, 5.0
SECONDS_FOR_RANK_ZERO_TO_REPORT = 3.0
# How long after a connection between nodes broke it may take until it is known which of them is lost.
SECONDS_TO_LEARN = 30.0


class RunStopped(Exception):
    """Say why a run stopped before its end, and how to go on."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Interrupted(RunStopped):
    """Say which signal stopped the run, and the path of the checkpoint that was saved."""

    def __init__(self, number: int, checkpoint: str) -> None:
        words = f"stopped by {signal.Signals(number).name}; saved {checkpoint}. {AGAIN}"
        super().__init__(words, 128 + number)


class Diverged(RunStopped):
    """Say at which step (from 1) of which epoch (from 1) which number became NaN or infinite."""

    def __init__(self, reason: str, *, step: int, epoch: int, lr: float, loss: float | None) -> None:
        super().__init__(f"{reason} at step {step} (epoch {epoch}, learning rate {lr:g})")
        self.reason, self.step, self.epoch, self.lr, self.loss = reason, step, epoch, lr, loss

    def record(self, checkpoint: str | None) -> dict[str, Any]:
        """Return `failed.json` (fields: see `bench.records`)."""
        loss, lr = (x if x is None or math.isfinite(x) else str(x) for x in (self.loss, self.lr))
        where = {"step": self.step, "epoch": self.epoch, "lr": lr, "loss": loss}
        return {"reason": self.reason, **where, "checkpoint": checkpoint}


def describe_failure(run: str, failure: Mapping[str, Any]) -> str:
    """Return what the user of a failed run should know: what happened, why again would be no use, what to change."""
    checkpoint = failure.get("checkpoint")
    last = f"its last good checkpoint ({checkpoint})" if checkpoint else "the start, since there is no good checkpoint"
    return (
        f"run {run} failed: {failure.get('reason')} at step {failure.get('step')} (epoch {failure.get('epoch')}, "
        f"learning rate {failure.get('lr')}).\nOn the same machine it would fail at the same step again, so it is not "
        "resumed. Change the recipe (a lower optimizer.lr, a longer schedule.warmup, "
        "algorithms.gradient_clipping={}), which makes it a new run. "
        f"To retry from {last}, delete {run}/failed.json and run the same command."
    )


def ignore_sigterm(code: int) -> int:
    """Return the exit code, from here on without heeding SIGTERM, which would put another in its place.

    The launcher sends it to all processes as soon as one has failed; each is to end with its own words and code.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return code


class StopSignals:
    """While entered, SIGTERM and SIGINT only ask for a stop; `received` is the first one's number, 0 before it.

    A second SIGINT stops at once, as KeyboardInterrupt. Signals go to the main thread: enter it there. It may be
    entered again while it is: what is built in between, such as Composer's engine, may have taken the signals.
    """

    NUMBERS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.received = 0
        self._interrupts = 0
        self._before: list[dict[int, Any]] = []

    def __enter__(self) -> "StopSignals":
        """Install the handlers."""
        self._before.append({number: signal.signal(number, self._handle) for number in self.NUMBERS})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Restore the previous handlers, except where `ignore_sigterm` has replaced them."""
        for number, handler in self._before.pop().items():
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, handler)

    @contextmanager
    def bounded(self, seconds: float = SECONDS_TO_END) -> Iterator[None]:
        """While entered, let a signal that came end the process some seconds later, unless this is left before.

        For calls in which Python runs no handler and that may last minutes, as torch's rendezvous with a dead process.
        """
        left = threading.Event()
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        before = signal.set_wakeup_fd(writer)
        if self.received:
            os.write(writer, bytes([self.received]))
        thread = threading.Thread(target=_end_later, args=(reader, left, seconds), daemon=True)
        thread.start()
        try:
            yield
        finally:
            left.set()
            signal.set_wakeup_fd(before)
            os.close(writer)
            thread.join()
            os.close(reader)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Remember the first signal; stop at once at the second SIGINT."""
        self._interrupts += number == signal.SIGINT
        if self._interrupts > 1:
            raise KeyboardInterrupt
        if not self.received:
            self.received = number
            # Written past Python's buffers: a handler may run in the middle of a print.
            start = CLEAR if os.isatty(2) else ""
            name = signal.Signals(number).name
            words = f"{start}{name}: stopping with a checkpoint after the current step or evaluation\n"
            os.write(2, words.encode())


def _end_later(reader: int, left: threading.Event, seconds: float) -> None:
    """Read signals' numbers until the pipe is closed; end this process so long after one that asks for a stop."""
    while number := int.from_bytes(os.read(reader, 1)):
        if number in StopSignals.NUMBERS and not left.wait(seconds):
            name = signal.Signals(number).name
            os.write(2, f"stopped by {name} while waiting for the run's other processes. {AGAIN}\n".encode())
            os._exit(128 + number)


class Board(Protocol):
    """Where the processes of a run leave their errors for each other: the run's directory, or `bench.engines.nodes`."""

    def record_error(self, rank: int, text: str) -> None:
        """Leave the error of a process."""

    def read_errors(self) -> dict[int, str]:
        """Return the errors of other processes, by rank, the earliest first."""


class PeerWatch:
    """Show the error of another process as soon as it left one, and do not outlive it for long.

    On one machine the first process does, on several nodes every one. Composer's launcher shows what other ranks
    printed only after every process has ended, and one that waits for a dead peer may wait for minutes. `end` ends this
    process if it does not end by itself.
    """

    def __init__(self, board: Board, rank: int, world_size: int, end: Callable[[int], None] = os._exit) -> None:
        self._board, self._end = board, end
        self._done = threading.Event()
        self._told = False
        self.watches = world_size > 1 and (rank == 0 or spans_nodes())
        self._thread = threading.Thread(target=self._watch, daemon=True) if self.watches else None

    def __enter__(self) -> "PeerWatch":
        """Start looking."""
        if self._thread:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop looking."""
        self.stop()

    def stop(self) -> None:
        """Stop looking; what others leave from now on follows from this process's own end."""
        self._done.set()
        if self._thread and self._thread.is_alive():
            self._thread.join()

    def tell(self) -> bool:
        """Show the first error that another process left, once, and return whether there is any."""
        errors = self._board.read_errors() if self.watches else {}
        if errors and not self._told:
            self._told = True
            rank, text = next(iter(errors.items()))
            print(f"process {rank} of the run failed:\n{text}", file=sys.stderr, flush=True)
        return bool(errors)

    def learn(self) -> bool:
        """Tell, once this process can no longer reach another one, whether any error of one is known.

        On one machine it is there or it will not come; on several nodes it may first have to be noticed who is silent.
        """
        self.stop()
        end = time.monotonic() + (SECONDS_TO_LEARN if spans_nodes() else 0)
        while not self.tell() and time.monotonic() < end:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return self.tell()

    def _watch(self) -> None:
        """Look every half second; end this process some seconds after another has failed."""
        while not self._done.wait(SECONDS_BETWEEN_LOOKS):
            if self.tell():
                if not self._done.wait(SECONDS_TO_END):
                    self._end(FAILED)
                return


# What a disk does while a run is going on: it is full, over quota, read-only, broken or gone.
STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)
# How torch words that a process at the other end is no longer there.
LOST = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "Broken pipe")


def is_lost(error: Exception) -> bool:
    """Tell whether an error may be no more than the consequence of another process's death."""
    return any(word in str(error) for word in LOST)


@contextmanager
def guarded(writer: RunWriter, rank: int, world_size: int, board: Board | None = None) -> Iterator[None]:
    """Run a training so that what ends it is said once and clearly: on rank 0, which shows other ranks' errors too.

    On several nodes that is done on each of them, and errors are left on the `board` in place of the run's directory.
    """
    board = board or writer
    with PeerWatch(board, rank, world_size) as watch:
        try:
            yield
        except Exception as error:
            if world_size > 1:
                ignore_sigterm(FAILED)
            known = watch.watches and is_lost(error) and watch.learn()
            if rank != 0 and not known and not isinstance(error, RunStopped):
                board.record_error(rank, traceback.format_exc())
            stopped = explain(error, watch, writer.path)
            if stopped is error:
                raise
            raise stopped from error


def explain(error: Exception, watch: PeerWatch, run: Path) -> Exception:
    """Return the error to raise in place of one that only follows from a full disk or another process's death."""
    # The launcher stops the others when one has failed: a stop by signal may be only the consequence of that.
    if isinstance(error, RunStopped | BadInput) and not (isinstance(error, Interrupted) and watch.tell()):
        return error
    if isinstance(error, OSError) and (error.errno in STORAGE or str(error.filename).startswith(str(run))):
        where = error.filename or run
        return RunStopped(f"{where}: {error.strerror}; the run stops, and its checkpoints are unchanged. {AGAIN}")
    watch.stop()
    if watch.tell():
        return RunStopped(f"the run stops because another of its processes failed (see its error above). {AGAIN}")
    if watch.watches and is_lost(error):
        return RunStopped(
            "another process of the run died without an error message; it was probably killed, perhaps out of memory "
            f"({str(error).splitlines()[0]}). {AGAIN}"
        )
    return error


def report_once(train: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Train and return the exit code; what every rank has met is printed by rank 0 alone, whose exit code counts.

    On several nodes the first rank of each prints it, since each has an output of its own.
    """
    try:
        return train(arguments)
    except RunStopped as stop:
        if spans_nodes() and local_rank() == 0:
            print(f"node {node_rank()}: {stop}", file=sys.stderr)
        elif rank() == 0:
            print(stop, file=sys.stderr)
        return stop.exit_code
    except BadInput:
        if rank() != 0:
            # If rank 0 has met it too, the launcher ends this process within the pause and its message is not shown.
            time.sleep(SECONDS_FOR_RANK_ZERO_TO_REPORT)
        raise
