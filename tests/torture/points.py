"""Count the system calls by which a run writes its directory, and kill the process after or within the n-th."""

import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

# os functions that change the disk, and how to find the path in their arguments.
CALLS = ("fsync", "replace", "unlink", "open", "close", "mkdir")


class Points:
    """Count the points between system calls; at point `kill_at` the process ends by SIGKILL, as in a power failure."""

    def __init__(self, folder: Path, kill_at: int | None, log: Path | None) -> None:
        """Take the runs folder, the point to die at, and the file that lists all points."""
        self.folder, self.kill_at = str(folder), kill_at
        self.log = log.open("a", encoding="utf-8") if log else None
        self.count = 0

    def reach(self, label: str) -> None:
        """Count a point; die if it is the one."""
        self.count += 1
        if self.log:
            self.log.write(f"{label}\n")
            self.log.flush()
        if self.count == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Patch `os` and `io.open` in this process; only what touches the runs folder is counted."""
        for name in CALLS:
            setattr(os, name, self._wrap(name, getattr(os, name)))
        self._patch_open()

    def _concerns(self, argument: Any) -> str:
        """Return the path that a call is about if it lies in the runs folder, else an empty text."""
        if isinstance(argument, int):
            try:
                argument = str(Path(f"/proc/self/fd/{argument}").readlink())
            except OSError:
                return ""
        path = os.fspath(argument)
        return path.removeprefix(self.folder) if isinstance(path, str) and path.startswith(self.folder) else ""

    def _wrap(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return an `os` function that counts a point after itself, which is before the next one."""

        def counted(first: Any, *rest: Any, **named: Any) -> Any:
            path = self._concerns(first)
            done = call(first, *rest, **named)
            if path:
                self.reach(f"after {name} {path}")
            return done

        return counted

    def _patch_open(self) -> None:
        """Make files that are opened for writing count their writes, each in two halves that reach the disk apart."""
        opened, points = io.open, self

        def counted_open(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
            handle = opened(file, mode, *rest, **named)
            path = "" if isinstance(file, int) else points._concerns(file)
            if not path or mode[0] not in "wax":
                return handle
            points.reach(f"opened {path}")
            write = handle.write

            def write_halves(data: Any) -> int:
                half = len(data) // 2
                write(data[:half])
                handle.flush()
                points.reach(f"half written {path}")
                write(data[half:])
                handle.flush()
                points.reach(f"written {path}")
                return len(data)

            return Watched(handle, write_halves)

        io.open = counted_open


class Watched:
    """A file whose `write` is another function; all else is the file's own."""

    def __init__(self, handle: Any, write: Callable[[Any], int]) -> None:
        """Take the file and the function."""
        self._handle, self.write = handle, write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *error: object) -> None:
        self._handle.close()
