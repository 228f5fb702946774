"""The clock of a run: how long it trained, evaluated, saved and started up, kept apart (DESIGN.md, "Clock")."""

import time
from collections.abc import Callable

PHASES = ("startup", "train", "eval", "checkpoint", "other")


class Clock:
    """Add up the seconds spent in each phase; exactly one phase runs at a time.

    `synchronise` waits for the device, so that work queued in one phase is not counted in the next.
    """

    def __init__(
        self, synchronise: Callable[[], None] = lambda: None, now: Callable[[], float] = time.perf_counter
    ) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(PHASES, 0.0)
        self._synchronise, self._now = synchronise, now
        self._phase: str | None = None
        self._since = 0.0

    @property
    def phase(self) -> str | None:
        """Return the running phase."""
        return self._phase

    def switch(self, phase: str | None) -> str | None:
        """End the running phase, start another (None: stop), and return the one that ended."""
        self._synchronise()
        now = self._now()
        ended = self._phase
        if ended is not None:
            self.seconds[ended] += now - self._since
        self._phase, self._since = phase, now
        return ended

    def elapsed(self, phase: str) -> float:
        """Return the seconds of a phase up to now, without waiting for the device: to be shown, not recorded."""
        running = self._now() - self._since if phase == self._phase else 0.0
        return self.seconds[phase] + running

    def read(self) -> dict[str, float]:
        """Return the seconds of each phase up to now."""
        self.switch(self._phase)
        return dict(self.seconds)


def synchronise() -> None:
    """Wait for the GPU, when there is one in use, so that queued work is counted where it belongs."""
    import torch

    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def start_clock(process_started: float, now: float) -> Clock:
    """Return a clock in its start-up phase that already counts the life of the process (seconds since the epoch)."""
    clock = Clock(synchronise)
    clock.switch("startup")
    clock.seconds["startup"] += max(0.0, now - process_started)
    return clock
