"""What programs print while they work: lines that stay, and one line that tells how far they are."""

import shutil
import sys
import threading
from typing import TextIO

BAR_WIDTH = 10
# Back to the start of the line, and clear it.
CLEAR = "\r\x1b[K"


def show_seconds(seconds: float | None) -> str:
    """Return a time in words, such as "1 h 05 min"."""
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def progress_bar(share: float) -> str:
    """Return a share in [0, 1] as a bar with its percentage."""
    done = int(BAR_WIDTH * share)
    return f"[{'#' * done}{'.' * (BAR_WIDTH - done)}] {int(100 * share):3d}%"


class Console:
    """A program's standard output: lines, and in a terminal below them one line of progress that is overwritten.

    Threads may share it. Without a stream it prints to `sys.stdout` as it is at that moment.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._shown = False

    @property
    def stream(self) -> TextIO:
        """Return where it prints."""
        return self._stream or sys.stdout

    @property
    def is_terminal(self) -> bool:
        """Tell whether a line can be overwritten."""
        return self.stream.isatty()

    def say(self, text: str) -> None:
        """Print a line at once, in place of the line of progress, which the next `show` draws again below it."""
        with self._lock:
            self._write(f"{CLEAR if self._shown else ''}{text}\n")
            self._shown = False

    def show(self, text: str) -> None:
        """Show a line of progress in a terminal, cut to its width; print it anywhere else."""
        if not self.is_terminal:
            self.say(text)
            return
        width = shutil.get_terminal_size().columns
        with self._lock:
            self._write(CLEAR + text[: width - 1])
            self._shown = True

    def clear(self) -> None:
        """Remove the line of progress."""
        with self._lock:
            if self._shown:
                self._write(CLEAR)
            self._shown = False

    def _write(self, text: str) -> None:
        """Write a text at once, also into a pipe or a file."""
        self.stream.write(text)
        self.stream.flush()
