"""Train what a suite has not finished: start runs in free places, collect what ends, leave others' runs alone.

The runner knows nothing of processes and machines: a backend (`bench.sweep.backends.interface`) starts and ends runs.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bench.engines.stopping import StopSignals
from bench.records import CHECKPOINTS, FAILED, LOCK
from bench.sweep.backends.interface import Backend, Exit, Job
from bench.sweep.backends.locks import RunLock, is_locked, lock_of
from bench.sweep.states import Failure, find_failure, forget_failure, is_finished, log_path, write_failure
from bench.sweep.suite import PlannedRun, Suite, show_command
from bench.util.files import writing

SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_BETWEEN_POLLS = 2.0


@dataclass
class Active:
    """A run that is being trained: its job and lock, when it was started, whether it resumed or was stopped."""

    run: PlannedRun
    job: Job
    lock: RunLock
    started: float
    resumed: bool
    stopped: bool = False


@dataclass
class Progress:
    """The runs of a sweep: waiting, being trained here or by others, and ended."""

    waiting: list[PlannedRun]
    active: list[Active] = field(default_factory=list)
    elsewhere: list[PlannedRun] = field(default_factory=list)
    finished: list[PlannedRun] = field(default_factory=list)
    failed: list[tuple[PlannedRun, Failure]] = field(default_factory=list)
    interrupted: list[PlannedRun] = field(default_factory=list)
    # Seconds of each run that this sweep has trained from start to end.
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
        """Show the sweep's progress."""


class Runner:
    """Train the runs of a suite, `workers` at a time, until none is left or a signal stops the sweep.

    A run that has failed before is left alone, unless `retry`: then it is trained again, from its last good checkpoint.
    """

    def __init__(
        self,
        suite: Suite,
        runs: Sequence[PlannedRun],
        backend: Backend[Any],
        workers: int,
        view: View,
        *,
        retry: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.suite, self.backend, self.workers, self.view, self._now = suite, backend, workers, view, now
        finished = [run for run in runs if is_finished(run)]
        self.progress = Progress(waiting=[run for run in runs if run not in finished], finished=finished)
        self.stop = StopSignals()
        self._polled = -SECONDS_BETWEEN_POLLS
        self._told = False
        self._retry = {run.name for run in runs if find_failure(suite, run)} if retry else set()

    def run(self) -> Progress:
        """Train, and return the progress at the end; no job is left running, whatever ends the sweep.

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
                active.job.kill()
                active.lock.release()
        return self.progress

    def _look(self) -> None:
        """Collect what has ended, start what can be, and show the progress."""
        for active in list(self.progress.active):
            self._collect(active)
        if self.stop.received:
            self._stop_all()
        else:
            self._poll_elsewhere()
            self._fill()
        self.view.update(self.progress)

    def _stop_all(self) -> None:
        """Stop each run once, with a checkpoint, and start or wait for no other."""
        self.progress.interrupted += [*self.progress.waiting, *self.progress.elsewhere]
        self.progress.waiting, self.progress.elsewhere = [], []
        for active in self.progress.active:
            if not active.stopped:
                name = signal.Signals(self.stop.received).name
                self.view.event(f"{name}: stopping {active.run.label} with a checkpoint")
                active.stopped = True
                active.job.stop()

    def _poll_elsewhere(self) -> None:
        """Now and then, while a place is free, look at the runs that others train: one may have ended or been left."""
        if self._now() - self._polled >= SECONDS_BETWEEN_POLLS and self.backend.places(self.workers):
            self._polled = self._now()
            self.progress.waiting[:0] = self.progress.elsewhere
            self.progress.elsewhere = []

    def _fill(self) -> None:
        """Start in each free place a run that nobody trains; note those that have ended or that others train."""
        free = list(self.backend.places(self.workers))
        while free and self.progress.waiting:
            run = self.progress.waiting.pop(0)
            lock = lock_of(run.path)
            if is_finished(run):
                self.progress.finished.append(run)
            elif not lock.acquire():
                self.progress.elsewhere.append(run)
            elif not self._settled(run, lock) and not self._place(run, lock, free):
                break

    def _settled(self, run: PlannedRun, lock: RunLock) -> bool:
        """Tell whether a locked run is not to be trained after all, and note why."""
        if is_locked(run.path / LOCK):
            self.progress.elsewhere.append(run)
        elif is_finished(run):
            self.progress.finished.append(run)
        else:
            failure = self._standing_failure(run)
            if failure is None:
                return False
            self.progress.failed.append((run, failure))
            self.view.event(f"skip  {run.label}: it failed before ({failure.reason}); see --retry-failed")
        lock.release()
        return True

    def _standing_failure(self, run: PlannedRun) -> Failure | None:
        """Return why a run is left alone; forget a failure from before this sweep if it is to be retried, once."""
        if run.name in self._retry:
            self._retry.discard(run.name)
            forget_failure(self.suite, run)
        return find_failure(self.suite, run)

    def _place(self, run: PlannedRun, lock: RunLock, free: list[Any]) -> bool:
        """Start a locked run in one of the free places, which is taken from them; tell whether one was really free.

        A run that cannot be started has failed.
        """
        resumed = (run.path / CHECKPOINTS).is_dir()
        for place in free:
            try:
                job = self.backend.start(run, place, lock)
            except OSError as error:
                self._fail(run, Exit(1, f"cannot be started: {error}"))
                lock.release()
                return True
            if job is not None:
                free.remove(place)
                self.progress.active.append(Active(run, job, lock, self._now(), resumed))
                self.view.event(f"start {run.label} on {job.where}{' (resumed)' if resumed else ''}")
                return True
        self.progress.waiting.insert(0, run)
        lock.release()
        if not (self._told or self.progress.active):
            self._told = True
            self.view.event(f"waiting: runs of other sweeps are using {'; '.join(place.name for place in free)}")
        return False

    def _collect(self, active: Active) -> None:
        """Note how a run ended, if it has; everything is on the disk before its lock is released."""
        ended = active.job.poll()
        if ended is None:
            return
        run, took = active.run, self._now() - active.started
        self.progress.active.remove(active)
        if is_finished(run):
            if not active.resumed:
                self.progress.seconds[run.name] = took
            self.progress.finished.append(run)
            self.view.event(f"done  {run.label} in {took:.0f} s")
        elif active.stopped and not (run.path / FAILED).is_file():
            self.progress.interrupted.append(run)
        elif is_locked(run.path / LOCK):
            # Somebody started the same run by hand between our look and its start.
            self.progress.elsewhere.append(run)
        else:
            self._fail(run, ended)
        active.lock.release()

    def _fail(self, run: PlannedRun, ended: Exit) -> None:
        """Record a failure; what the run itself says of it comes first."""
        own = find_failure(self.suite, run)
        log, command = str(log_path(self.suite, run)), show_command(run, self.suite.processes)
        failure = Failure(run.name, own.reason if own else ended.reason, ended.code, list(ended.lines), log, command)
        with writing(f"runs folder: {self.suite.folder}"):
            write_failure(self.suite, run, failure)
        self.progress.failed.append((run, failure))
        self.view.event(f"FAIL  {run.label}: {failure.reason}")


def stop_code(number: int) -> int:
    """Return the exit code of a sweep that a signal stopped, as shells expect it."""
    return 128 + number if number else os.EX_OK
