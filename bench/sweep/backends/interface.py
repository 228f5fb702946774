"""What a sweep asks of the backend that trains its runs, on this machine or elsewhere.

A job need not be a process of this machine, nor see its disk: a run is handed over as its resolved spec, and the
backend keeps the run's directory, which the sweep reads, up to date:

- a run whose directory holds a checkpoint resumes from it;
- while a job lasts, the run's epochs appear there, at once or at intervals;
- once `poll` returns an `Exit`, all that the run has left is there (result, checkpoints, `failed.json`), and its output
  is in its log (`bench.sweep.states.log_path`).

A job is one attempt to train a run. What to do about a run that failed is decided by the sweep; a machine that is lost
is the backend's to replace, within the same job.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bench.sweep.backends.locks import RunLock
from bench.sweep.suite import PlannedRun
from bench.sweep.timing.estimate import Estimate


@dataclass(frozen=True)
class Exit:
    """How a job ended: the launcher's exit code, what it means, and the last lines of the run's output."""

    code: int
    reason: str
    lines: Sequence[str] = ()


class Job(Protocol):
    """A run that is being trained."""

    @property
    def where(self) -> str:
        """Return where the run is trained, as shown to the user; a job may move."""

    def poll(self) -> Exit | None:
        """Return how the job ended, None while it lasts; its place is then free again."""

    def stop(self) -> None:
        """Ask the run to save a checkpoint and exit, without waiting for it; one that takes too long is killed."""

    def kill(self) -> None:
        """Kill all processes of the run at once; its place is then free again."""


class Place(Protocol):
    """Resources that one run at a time is trained on: cores and GPUs of a machine."""

    @property
    def name(self) -> str:
        """Return the place as shown to the user."""


AnyPlace = TypeVar("AnyPlace", bound=Place)


class Backend(Protocol[AnyPlace]):
    """Where and how the runs of one suite are trained."""

    def prepare(self, run: PlannedRun) -> None:
        """Make a run's data set available, if that is done in advance; raise BadInput if it is not available."""

    def exclusive(self, say: Callable[[str], None]) -> AbstractContextManager[None]:
        """Keep other runs off the machines while entered, as a suite for timing needs.

        Waits for those that are being trained, and says so.
        """

    def estimate(self, runs: Sequence[PlannedRun], workers: int | None, *, timed: bool, anew: bool) -> Estimate:
        """Return what runs cost and how many are trained at a time: `workers`, or if that is None the backend's choice.

        Unknown speeds may be measured: those that the choice needs, with `timed` those of all runs; `anew` measures
        known ones again. Raises BadInput for more workers than there are resources for.
        """

    def places(self, workers: int) -> Sequence[AnyPlace]:
        """Return the places, of those for `workers` runs at a time, that no job of this backend is using."""

    def start(self, run: PlannedRun, place: AnyPlace, lock: RunLock) -> Job | None:
        """Start a run and return its job, None if a run of another sweep is using the place.

        The sweep holds `lock`, the run's, until the job has ended; a backend whose processes may outlive the sweep lets
        them inherit it. Raises OSError when the run cannot be started.
        """
