"""Two launchers on this machine as two nodes, each with processes of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import psutil

from bench.util.ports import free_port
from tests.conftest import REPOSITORY

Launched = subprocess.Popen[str]


@contextmanager
def start_nodes(*words: Sequence[str], **environment: str) -> Iterator[tuple[Launched, ...]]:
    """Yield a launcher for each node, given the words after its own options; kill what is left of them at the end."""
    port = str(free_port())
    with ExitStack() as stack:
        launchers = []
        for node, rest in enumerate(words):
            options = ["--node_rank", str(node), "--master_addr", "127.0.0.1", "--master_port", port]
            launcher = subprocess.Popen(
                [sys.executable, "-m", "bench.launch", "-n", "1", "--world_size", str(len(words)), *options, *rest],
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            stack.callback(launcher.wait)
            stack.callback(kill, launcher)
            launchers.append(launcher)
        yield tuple(launchers)


def kill(launcher: Launched) -> None:
    """End a launcher and its processes at once, as when the power of their machine fails."""
    with suppress(ProcessLookupError):
        os.killpg(launcher.pid, signal.SIGKILL)


def left_running(launcher: Launched) -> list[psutil.Process]:
    """Return what is still running of a launcher's processes."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getpgid(process.pid) == launcher.pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
