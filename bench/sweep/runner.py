"""Execute what a suite has not finished: fill the slots, collect what ends, leave to other sweeps what they train."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bench.engines.stopping import StopSignals
from bench.records import CHECKPOINTS, FAILED, LOCK
from bench.sweep.backends.host import CoreLock, HostLocks
from bench.sweep.backends.locks import RunLock, is_locked, lock_of
from bench.sweep.backends.machine import Slot
from bench.sweep.backends.tree import Launcher, Tree, compose, show_command
from bench.sweep.states import (
    Failure,
    explain_exit,
    find_failure,
    forget_failure,
    is_finished,
    last_lines,
    log_path,
    write_failure,
)
from bench.sweep.suite import PlannedRun, Suite
from bench.util.errors import BadInput
from bench.util.ports import free_port

SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_BETWEEN_POLLS = 2.0


@dataclass
class Active:
    """A run that is being trained: its processes, slot and port, the locks on it, when it was started, from what."""

    run: PlannedRun
    tree: Tree
    slot: Slot
    port: int
    claim: RunLock
    hold: CoreLock
    started: float
    resumed: bool

    def release(self) -> None:
        """Give back the claim on the run and the hold on its cores and GPUs."""
        self.claim.release()
        self.hold.release()


@dataclass
class Progress:
    """How far a sweep is: what is left to it, what it trains, what others train, and what has come to an end."""

    waiting: list[PlannedRun]
    active: list[Active] = field(default_factory=list)
    elsewhere: list[PlannedRun] = field(default_factory=list)
    finished: list[PlannedRun] = field(default_factory=list)
    failed: list[tuple[PlannedRun, Failure]] = field(default_factory=list)
    interrupted: list[PlannedRun] = field(default_factory=list)
    # Seconds that each run took which this sweep has trained from start to end.
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Tell whether nothing is left to train or to wait for."""
        return not (self.waiting or self.active or self.elsewhere)


class View(Protocol):
    """What shows a sweep's progress."""

    def event(self, text: str) -> None:
        """Show that something happened."""

    def update(self, progress: Progress) -> None:
        """Show how far the sweep is."""


class Runner:
    """Train the runs of a suite in slots, until nothing is left or a signal asks to stop.

    A run that has failed before is left alone, unless `retry`: then it is trained again, from its last good checkpoint.
    """

    def __init__(
        self,
        suite: Suite,
        runs: Sequence[PlannedRun],
        slots: Sequence[Slot],
        view: View,
        *,
        retry: bool = False,
        launcher: Launcher = compose,
        host: HostLocks | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the runs in the order of execution, where to train them, and what shows the progress."""
        self.suite, self.slots, self.view = suite, slots, view
        self.launcher, self.host, self._now = launcher, host or HostLocks(), now
        finished = [run for run in runs if is_finished(run)]
        self.progress = Progress(waiting=[run for run in runs if run not in finished], finished=finished)
        self.stop = StopSignals()
        self._polled = -SECONDS_BETWEEN_POLLS
        self._told = False
        self._retry = {run.name for run in runs if find_failure(suite, run)} if retry else set()

    def run(self) -> Progress:
        """Train, and return what came of it; whatever ends it, no process is left behind.

        `stop.received` is then the signal that stopped it, or 0. A second Ctrl-C kills the runs at once.
        """
        try:
            with self.stop:
                while not self.progress.over:
                    self._look()
                    time.sleep(SECONDS_BETWEEN_LOOKS)
                self.view.update(self.progress)
        finally:
            for active in self.progress.active:
                active.tree.kill()
                active.release()
        return self.progress

    def _look(self) -> None:
        """Collect what has ended, start what can be, and show the progress."""
        for active in list(self.progress.active):
            self._collect(active)
        if self.stop.received:
            self._ask_all_to_stop()
        else:
            self._poll_elsewhere()
            self._fill()
        self.view.update(self.progress)

    def _ask_all_to_stop(self) -> None:
        """Ask each run once to stop with a checkpoint, and start or wait for no other."""
        self.progress.interrupted += [*self.progress.waiting, *self.progress.elsewhere]
        self.progress.waiting, self.progress.elsewhere = [], []
        for active in self.progress.active:
            if not active.tree.asked:
                name = signal.Signals(self.stop.received).name
                self.view.event(f"{name}: {active.run.label} is asked to stop with a checkpoint")
                active.tree.ask_to_stop()

    def _poll_elsewhere(self) -> None:
        """Now and then, with a slot to spare, look at what others train: it may have ended, or been given up."""
        spare = len(self.progress.active) < len(self.slots)
        if spare and self._now() - self._polled >= SECONDS_BETWEEN_POLLS:
            self._polled = self._now()
            self.progress.waiting[:0] = self.progress.elsewhere
            self.progress.elsewhere = []

    def _fill(self) -> None:
        """Give every slot that is free on this host a run that nobody trains; note what has ended or others train."""
        busy = {active.slot.index for active in self.progress.active}
        free = [slot for slot in self.slots if slot.index not in busy]
        while free and self.progress.waiting:
            run = self.progress.waiting.pop(0)
            claim = lock_of(run.path)
            if is_finished(run):
                self.progress.finished.append(run)
            elif not claim.acquire():
                self.progress.elsewhere.append(run)
            elif not self._settled(run, claim) and not self._place(run, claim, free):
                break

    def _place(self, run: PlannedRun, claim: RunLock, free: list[Slot]) -> bool:
        """Start a claimed run in one of some slots, which is taken from them; tell whether others left one."""
        for slot in free:
            hold = self.host.take(slot)
            if hold is not None:
                if self._start(run, claim, slot, hold):
                    free.remove(slot)
                return True
        self.progress.waiting.insert(0, run)
        claim.release()
        if not (self._told or self.progress.active):
            self._told = True
            places = "; ".join(slot.words for slot in free)
            self.view.event(f"waiting: runs of other sweeps hold {places}")
        return False

    def _settled(self, run: PlannedRun, claim: RunLock) -> bool:
        """Tell whether a claimed run is not to be trained after all, and note why."""
        if is_locked(run.path / LOCK):
            self.progress.elsewhere.append(run)
        elif is_finished(run):
            self.progress.finished.append(run)
        else:
            failure = self._standing_failure(run)
            if failure is None:
                return False
            self.progress.failed.append((run, failure))
            self.view.event(f"left  {run.label}: it failed before ({failure.reason}); see --retry-failed")
        claim.release()
        return True

    def _standing_failure(self, run: PlannedRun) -> Failure | None:
        """Return why a run is left alone; forget a failure from before this sweep if it is to be tried again, once."""
        if run.name in self._retry:
            self._retry.discard(run.name)
            forget_failure(self.suite, run)
        return find_failure(self.suite, run)

    def _start(self, run: PlannedRun, claim: RunLock, slot: Slot, hold: CoreLock) -> bool:
        """Start a run in a slot and return whether it runs; a command that cannot be started is a failure."""
        port = free_port([active.port for active in self.progress.active])
        command = self.launcher(run, slot, self.suite.processes, port)
        try:
            tree = Tree(command, slot, log_path(self.suite, run), (claim.handle, *hold.handles))
        except OSError as error:
            self._fail(run, f"cannot be started: {error}", 1, [])
            claim.release()
            hold.release()
            return False
        resumed = (run.path / CHECKPOINTS).is_dir()
        self.progress.active.append(Active(run, tree, slot, port, claim, hold, self._now(), resumed))
        self.view.event(f"start {run.label} on {slot.words}{' (goes on)' if resumed else ''}")
        return True

    def _collect(self, active: Active) -> None:
        """Note how a run ended, if it has; what others must know is on the disk before the claim is given back."""
        code = active.tree.poll()
        if code is None:
            return
        run, took = active.run, self._now() - active.started
        self.progress.active.remove(active)
        if is_finished(run):
            if not active.resumed:
                self.progress.seconds[run.name] = took
            self.progress.finished.append(run)
            self.view.event(f"done  {run.label} in {took:.0f} s")
        elif active.tree.asked and not (run.path / FAILED).is_file():
            self.progress.interrupted.append(run)
        elif is_locked(run.path / LOCK):
            # Somebody started the same run by hand between our look and its start.
            self.progress.elsewhere.append(run)
        else:
            own = find_failure(self.suite, run)
            reason = own.reason if own else explain_exit(code) if code else "ended without a result"
            self._fail(run, reason, code, last_lines(log_path(self.suite, run), active.tree.log_start))
        active.release()

    def _fail(self, run: PlannedRun, reason: str, code: int, lines: Sequence[str]) -> None:
        """Record a failure."""
        log, command = str(log_path(self.suite, run)), show_command(run, self.suite.processes)
        failure = Failure(run.name, reason, code, list(lines), log, command)
        try:
            write_failure(self.suite, run, failure)
        except OSError as error:
            raise BadInput(f"runs folder: {self.suite.folder} cannot be written: {error.strerror or error}") from None
        self.progress.failed.append((run, failure))
        self.view.event(f"FAIL  {run.label}: {failure.reason}")


def stop_code(number: int) -> int:
    """Return the exit code of a sweep that a signal stopped, as shells expect it."""
    return 128 + number if number else os.EX_OK
