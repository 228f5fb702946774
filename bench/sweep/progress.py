"""Show the progress of a sweep and the time left: as a live table on a terminal, as plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bench.analysis.metrics import HEADLINE, METRICS
from bench.sweep.runner import Active, Progress
from bench.sweep.states import progress as share_of
from bench.util.console import show_seconds

SECONDS_BETWEEN_LINES = 60.0
SECONDS_BETWEEN_FRAMES = 1.0
# From this share of a run on, its time so far is used to correct the estimate.
TELLING_SHARE = 0.05
Clock = Callable[[], float]


class TimeLeft:
    """Estimate the time left from each run's expected seconds (None if not known), corrected by the time taken so far.

    If the seconds of some are not known, all runs count as equally long.
    """

    def __init__(self, expected: Mapping[str, float | None], workers: int) -> None:
        known = [seconds for seconds in expected.values() if seconds is not None]
        self.measured = len(known) == len(expected) and bool(known)
        self.expected = {name: (seconds if self.measured else None) or 1.0 for name, seconds in expected.items()}
        self.workers = workers

    def seconds(self, progress: Progress, now: float) -> float | None:
        """Return the seconds left, None as long as nothing is known."""
        shares = {active.run.name: share_of(active.run)[0] for active in progress.active}
        scale = self._scale(progress, shares, now)
        if scale is None:
            return None
        left = [self.expected[run.name] for run in progress.waiting]
        left += [self.expected[name] * (1 - share) for name, share in shares.items()]
        return scale * max(sum(left) / self.workers, max(left, default=0.0))

    def _scale(self, progress: Progress, shares: Mapping[str, float], now: float) -> float | None:
        """Return time taken / time expected: 1 before any run has progressed, None if no time was expected either."""
        took, expected = sum(progress.seconds.values()), sum(self.expected[name] for name in progress.seconds)
        for active in progress.active:
            share = shares[active.run.name]
            if share >= TELLING_SHARE and not active.resumed:
                took += now - active.started
                expected += share * self.expected[active.run.name]
        return took / expected if expected else (1.0 if self.measured else None)


def summary(progress: Progress, left: float | None) -> str:
    """Return the number of runs in each state and the time left, as one line."""
    counts = {
        "done": len(progress.finished),
        "running": len(progress.active),
        "failed": len(progress.failed),
        "trained elsewhere": len(progress.elsewhere),
        "waiting": len(progress.waiting),
    }
    always = ("done", "running", "failed", "waiting")
    shown = ", ".join(f"{number} {name}" for name, number in counts.items() if number or name in always)
    total = sum(counts.values()) + len(progress.interrupted)
    return f"{total} runs: {shown}; time left: {show_seconds(left)}"


def last_epoch(row: Mapping[str, Any]) -> str:
    """Return a row of `epochs.jsonl` as text for the table."""
    if not row:
        return "starting"
    value = row.get(f"eval_{HEADLINE}")
    return f"epoch {row['epoch']:.4g}" + ("" if value is None else f", {METRICS[HEADLINE].say(value)}")


class PlainView:
    """Print each event as a line; print the summary after events and once a minute."""

    def __init__(self, left: TimeLeft, print_line: Callable[[str], None], now: Clock = time.monotonic) -> None:
        self.left, self._print, self._now = left, print_line, now
        self._printed = now()
        self._news = False

    def event(self, text: str) -> None:
        """Print an event with the time of day."""
        self._print(f"{datetime.now():%H:%M:%S} {text}")
        self._news = True

    def update(self, progress: Progress) -> None:
        """Print the summary after an event, and when a minute has passed."""
        now = self._now()
        if self._news or now - self._printed >= SECONDS_BETWEEN_LINES:
            self._news, self._printed = False, now
            self._print(summary(progress, self.left.seconds(progress, now)))


class LiveView:
    """Show a table of the active runs below the events."""

    def __init__(self, left: TimeLeft, console: Console, now: Clock = time.monotonic) -> None:
        self.left, self._now = left, now
        # No refresh thread: a run inherits the cores of the thread that starts it, which must be the only one.
        self._live = Live(console=console, auto_refresh=False)
        self._live.start()
        self._drawn = 0.0

    def event(self, text: str) -> None:
        """Print an event above the table."""
        self._live.console.print(f"{datetime.now():%H:%M:%S} {text}", markup=False, highlight=False)

    def update(self, progress: Progress) -> None:
        """Redraw the table, at most once a second, and at the end."""
        now = self._now()
        if progress.over or now - self._drawn >= SECONDS_BETWEEN_FRAMES:
            self._drawn = now
            line = Text(summary(progress, self.left.seconds(progress, now)))
            self._live.update(Group(running_table(progress.active, now), line), refresh=True)

    def close(self) -> None:
        """Restore the terminal."""
        self._live.stop()


def running_table(active: list[Active], now: float) -> Table:
    """Return a table of the runs that are being trained."""
    table = Table("running", "where", "done", "last epoch", "since", box=None)
    for item in active:
        share, row = share_of(item.run)
        cells = (item.run.label, item.job.where, f"{share:.0%}", last_epoch(row), show_seconds(now - item.started))
        table.add_row(*(Text(cell) for cell in cells))
    return table


def make_view(left: TimeLeft) -> PlainView | LiveView:
    """Return the view for standard output: live on a terminal, lines in a file or pipe."""
    if sys.stdout.isatty():
        return LiveView(left, Console())
    return PlainView(left, lambda line: print(line, flush=True))
