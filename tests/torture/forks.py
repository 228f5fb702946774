"""Start training processes as forks of one that has imported everything: a run then costs its training alone."""

import mmap
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bench.engines.clock
import bench.engines.composer
from bench.train import main
from bench.util.cli import run_command
from tests.torture.points import Points

# Imported for the forks' sake: each would otherwise spend ten seconds on it.
FIT = bench.engines.composer.fit
# Seconds that Composer's launcher gives processes that it has asked to end.
LAUNCHER_PATIENCE = 30.0
PHASES = ("before the clock", "none", *bench.engines.clock.PHASES)


@dataclass
class Fork:
    """A training process: its number, and where it says in which phase it is."""

    pid: int
    phase_byte: mmap.mmap
    code: int | None = field(default=None)

    @property
    def phase(self) -> str:
        """Return the clock's phase in which the process is, or was when it died."""
        return PHASES[self.phase_byte[0]]

    def poll(self) -> int | None:
        """Return the exit code (negative: the signal that killed it), None while it runs."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    arguments: Sequence[str],
    output: Path,
    environment: Mapping[str, str],
    points: tuple[Path, int | None, Path | None] | None = None,
) -> Fork:
    """Fork a process that trains with the arguments of `bench.train` and exits as that would."""
    phase = mmap.mmap(-1, 1)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Fork(pid, phase)
    code = 70
    try:
        os.environ.update(environment)
        target = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(target, 1)
        os.dup2(target, 2)
        show_phase(phase)
        if points:
            Points(*points).install()
        code = run_command(main, list(arguments))
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:  # the interpreter would print it and exit with 1; a fork must not return into its parent
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def show_phase(phase: mmap.mmap) -> None:
    """Make this process's clock tell its phase to the parent."""
    switch = bench.engines.clock.Clock.switch

    def telling(clock: bench.engines.clock.Clock, to: str | None) -> str | None:
        phase[0] = PHASES.index(to or "none")
        return switch(clock, to)

    bench.engines.clock.Clock.switch = telling  # type: ignore


def start_ranks(
    ranks: int,
    arguments: Sequence[str],
    output: Path,
    environment: Mapping[str, str],
    points: tuple[Path, int | None, Path | None] | None = None,
) -> list[Fork]:
    """Start the processes of one run as Composer's launcher does; the points are counted on rank 0."""
    if ranks == 1:
        return [start(arguments, output, environment, points)]
    shared = {"WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks), "NODE_RANK": "0"}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), **environment}
    forks = []
    for rank in range(ranks):
        own = {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
        place = output.with_name(f"{output.name}.rank{rank}") if rank else output
        forks.append(start(arguments, place, own, points if rank == 0 else None))
    return forks


def wait(forks: Sequence[Fork], timeout: float) -> list[int]:
    """Return the exit codes; as the launcher does, ask the rest to end once one has failed.

    Raises TimeoutError after the timeout, and when one that was asked has not ended by when the launcher would kill it.
    """
    asked = False
    end = time.monotonic() + timeout
    while any(fork.poll() is None for fork in forks):
        if not asked and any(fork.poll() not in (None, 0) for fork in forks):
            asked, end = True, min(end, time.monotonic() + LAUNCHER_PATIENCE)
            for fork in forks:
                fork.kill(signal.SIGTERM)
        if time.monotonic() > end:
            for fork in forks:
                fork.kill()
            raise TimeoutError(f"a run did not end in time ({timeout:.0f} s, {LAUNCHER_PATIENCE:.0f} s once asked)")
        time.sleep(0.005)
    return [fork.code or 0 for fork in forks]
