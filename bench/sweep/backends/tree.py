"""One run's processes: the launcher, in a session of its own, and all that it starts."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from bench.sweep.backends.machine import Slot, pinned
from bench.sweep.suite import PlannedRun

SCRIPT = Path(__file__).resolve().parents[2] / "train.py"
# How long a run may take to exit once it was asked to: a step or an evaluation, and a checkpoint.
SECONDS_TO_STOP = 180.0
# What the exit codes of a launcher mean; a negative code -N of a process reaches a shell as 256 - N.
EXITS = {
    0: "ended without a result",
    1: "failed",
    2: "bad input",
    130: "stopped by SIGINT",
    143: "stopped by SIGTERM",
}
SIGNALS = {9: "killed (SIGKILL), perhaps out of memory", 15: "stopped by SIGTERM", 11: "crashed (SIGSEGV)"}
# Returns the command that trains a run from the file of its resolved spec, in some processes that meet on a port.
Launcher = Callable[[PlannedRun, Path, int, int], list[str]]


def compose(run: PlannedRun, spec_file: Path, processes: int, port: int) -> list[str]:
    """Return the launcher's command: `composer -n N --master_port PORT bench/train.py -f …`."""
    launcher = [sys.executable, "-m", "bench.launch", "-n", str(processes), "--master_port", str(port)]
    return [*launcher, str(SCRIPT), "-f", str(spec_file)]


def explain_exit(code: int) -> str:
    """Return what the exit code of a launcher without a result says about its run."""
    number = -code if code < 0 else 256 - code if code > 192 else 0
    if number:
        return SIGNALS.get(number, f"ended by signal {number}")
    return EXITS.get(code, f"exit code {code}")


class Tree:
    """A run's launcher and all that it started: a process group of its own, whose output is appended to a log.

    It starts at once on the slot's cores and GPUs, in `folder` or else where this process is; `locks` are the open lock
    files that it inherits.
    """

    def __init__(
        self, command: Sequence[str], slot: Slot, log: Path, locks: Sequence[int], folder: Path | None = None
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output, pinned(slot.cores):
            output.write(f"$ {shlex.join(command)}\n".encode())
            output.flush()
            self.log_start = output.tell()
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=slot.environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=tuple(locks),
            )
        self._orphans_asked = False
        self._deadline = float("inf")

    def stop(self) -> None:
        """Ask the run to save a checkpoint and exit.

        The signal goes to the training processes: the launcher would pass it on, but wait for them for 30 s only.
        """
        self._deadline = time.monotonic() + SECONDS_TO_STOP
        with suppress(psutil.NoSuchProcess):
            launcher = psutil.Process(self.process.pid)
            for process in launcher.children() or [launcher]:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill every process of the run at once."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def poll(self) -> int | None:
        """Return the launcher's exit code once no process of a failed or stopped run is left, None before that.

        If the launcher was killed, the training processes would continue without it: they are stopped, too.
        """
        code = self.process.poll()
        if time.monotonic() > self._deadline:
            self.kill()
        if code in (None, 0) or not self.has_members():
            return code
        if not self._orphans_asked:
            self._orphans_asked = True
            self._deadline = min(self._deadline, time.monotonic() + SECONDS_TO_STOP)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGTERM)
        return None

    def has_members(self) -> bool:
        """Tell whether a process of the run's group is alive; zombies do not count."""
        return any(is_alive_in(process, self.process.pid) for process in psutil.process_iter())


def is_alive_in(process: psutil.Process, group: int) -> bool:
    """Tell whether a process is alive and in a process group."""
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess, PermissionError):
        return False
