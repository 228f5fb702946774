"""How far a command's long work is: one line that is overwritten in a terminal, a line now and then anywhere else."""

import sys
from time import monotonic
from types import TracebackType

from bench.util.console import Console, progress_bar, show_seconds

# Seconds between two lines: in a terminal, and in a file or a pipe.
TERMINAL, FILE = 0.2, 30.0


class Progress:
    """Say on stderr how far a work of `total` steps is, and how long it will take; `skipped` were done before."""

    def __init__(self, name: str, total: int, skipped: int = 0) -> None:
        self.name, self.total, self.done, self.skipped = name, total, skipped, skipped
        self._console = Console(sys.stderr)
        self._start = self._said = monotonic()

    def __enter__(self) -> "Progress":
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the line."""
        self._console.clear()

    def advance(self, steps: int = 1) -> None:
        """Count steps as done, and say so unless that was said a moment ago."""
        self.done += steps
        now = monotonic()
        if now - self._said >= (TERMINAL if self._console.is_terminal else FILE):
            self._said = now
            self._console.show(self.line(now - self._start))

    def line(self, seconds: float) -> str:
        """Return what is done after some seconds, in words, and how long the rest takes at this pace."""
        worked, rest = self.done - self.skipped, self.total - self.done
        left = show_seconds(seconds / worked * rest if worked else None)
        return f"{self.name} {progress_bar(self.done / self.total)} {self.done:,} of {self.total:,}, {left} left"
