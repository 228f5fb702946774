"""Show a running sweep: a live table on a terminal, plain lines elsewhere; and how much time is left."""

import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bench.sweep.runner import Active, Progress
from bench.sweep.states import progress as share_of
from bench.util.console import show_seconds

SECONDS_BETWEEN_LINES = 60.0
SECONDS_BETWEEN_FRAMES = 1.0
# A run that is so far on tells how long the others will take.
TELLING_SHARE = 0.05
Clock = Callable[[], float]


class TimeLeft:
    """Estimate the time to the end from each run's expected share of the work, corrected by what runs really took."""

    def __init__(self, expected: Mapping[str, float | None], workers: int) -> None:
        """Take the seconds expected of each run (by name), None where they are not known."""
        known = [seconds for seconds in expected.values() if seconds is not None]
        self.measured = len(known) == len(expected) and bool(known)
        self.expected = {name: (seconds if self.measured else None) or 1.0 for name, seconds in expected.items()}
        self.workers = workers

    def seconds(self, progress: Progress, now: float) -> float | None:
        """Return the seconds left, None while nothing is known."""
        shares = {active.run.name: share_of(active.run)[0] for active in progress.active}
        scale = self._scale(progress, shares, now)
        if scale is None:
            return None
        left = [self.expected[run.name] for run in progress.waiting]
        left += [self.expected[name] * (1 - share) for name, share in shares.items()]
        return scale * max(sum(left) / self.workers, max(left, default=0.0))

    def _scale(self, progress: Progress, shares: Mapping[str, float], now: float) -> float | None:
        """Return how much longer runs take than expected: 1 before one has shown it, None if nothing was expected."""
        took, expected = sum(progress.seconds.values()), sum(self.expected[name] for name in progress.seconds)
        for active in progress.active:
            share = shares[active.run.name]
            if share >= TELLING_SHARE and not active.resumed:
                took += now - active.started
                expected += share * self.expected[active.run.name]
        return took / expected if expected else (1.0 if self.measured else None)


def summary(progress: Progress, left: float | None) -> str:
    """Return the counts of a sweep and the time left, as one line."""
    counts = {
        "done": len(progress.finished),
        "running": len(progress.active),
        "failed": len(progress.failed),
        "trained by others": len(progress.elsewhere),
        "waiting": len(progress.waiting),
    }
    always = ("done", "running", "failed", "waiting")
    shown = ", ".join(f"{number} {name}" for name, number in counts.items() if number or name in always)
    total = sum(counts.values()) + len(progress.interrupted)
    return f"{total} runs: {shown}; time left: {show_seconds(left)}"


def last_epoch(row: Mapping[str, Any]) -> str:
    """Return a row of `epochs.jsonl` in words."""
    if not row:
        return "starting"
    top1 = f", top-1 {row['eval_top1']:.2f}" if row.get("eval_top1") is not None else ""
    return f"epoch {row['epoch']:.4g}{top1}"


class PlainView:
    """Print a line for whatever happens, and the counts with it and once a minute."""

    def __init__(self, left: TimeLeft, print_line: Callable[[str], None], now: Clock = time.monotonic) -> None:
        """Take what estimates the time left, and where lines go."""
        self.left, self._print, self._now = left, print_line, now
        self._printed = now()
        self._news = False

    def event(self, text: str) -> None:
        """Print what happened, with the time of day."""
        self._print(f"{datetime.now():%H:%M:%S} {text}")
        self._news = True

    def update(self, progress: Progress) -> None:
        """Print the counts after news, and when a minute has passed."""
        now = self._now()
        if self._news or now - self._printed >= SECONDS_BETWEEN_LINES:
            self._news, self._printed = False, now
            self._print(summary(progress, self.left.seconds(progress, now)))


class LiveView:
    """Keep a table of what is running below the lines of what has happened."""

    def __init__(self, left: TimeLeft, console: Console, now: Clock = time.monotonic) -> None:
        """Take what estimates the time left, and the terminal."""
        self.left, self._now = left, now
        # Without a thread of rich's own: a run must be started by the only thread, whose cores it inherits.
        self._live = Live(console=console, auto_refresh=False)
        self._live.start()
        self._drawn = 0.0

    def event(self, text: str) -> None:
        """Print what happened above the table."""
        self._live.console.print(f"{datetime.now():%H:%M:%S} {text}", markup=False, highlight=False)

    def update(self, progress: Progress) -> None:
        """Draw the table, once a second and at the end."""
        now = self._now()
        if progress.over or now - self._drawn >= SECONDS_BETWEEN_FRAMES:
            self._drawn = now
            line = Text(summary(progress, self.left.seconds(progress, now)))
            self._live.update(Group(running_table(progress.active, now), line), refresh=True)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._live.stop()


def running_table(active: list[Active], now: float) -> Table:
    """Return the runs that are being trained, as a table."""
    table = Table("running", "where", "done", "last epoch", "since", box=None)
    for item in active:
        share, row = share_of(item.run)
        cells = (item.run.label, item.job.where, f"{share:.0%}", last_epoch(row), show_seconds(now - item.started))
        table.add_row(*(Text(cell) for cell in cells))
    return table


def make_view(left: TimeLeft) -> PlainView | LiveView:
    """Return the view that fits the output: live on a terminal, lines in a file or pipe."""
    if sys.stdout.isatty():
        return LiveView(left, Console())
    return PlainView(left, lambda line: print(line, flush=True))
