"""A pytest plugin: a test process stays below a limit of memory, and the summary says what each one took at most.

What a test leaves behind adds up over thousands of tests, and two such processes have to fit into a small machine.
"""

import gc
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LIMIT_GIB = "memory_limit_gib"
PEAK_GIB = "peak_gib"


def peak_gib() -> float:
    """Return the most memory that this process has had resident, in GiB.

    On Linux `getrusage` would count what the process that started this one had at that time.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**20
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**30 if sys.platform == "darwin" else 2**20)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(LIMIT_GIB, "the most memory that a test process may take, in GiB", default="3")


def pytest_collection_finish() -> None:
    """Leave what was imported out of every garbage collection: they then cost little, and come soon."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def memory_limit(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test file during which this process outgrows the limit."""
    limit, before = float(request.config.getini(LIMIT_GIB)), peak_gib()
    yield
    now = peak_gib()
    if before <= limit < now:
        pytest.fail(f"this process now takes {now:.1f} GiB ({before:.1f} before {request.node.name}; limit {limit:g})")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand a worker's peak to the controller."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[PEAK_GIB] = peak_gib()


class Peaks:
    """The peaks of a session's processes, by name, for its summary."""

    def __init__(self) -> None:
        self.peaks: dict[str, float] = {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Keep what a worker of xdist has handed over; one that crashed has handed over nothing."""
        if PEAK_GIB in getattr(node, "workeroutput", {}):
            self.peaks[node.gateway.id] = node.workeroutput[PEAK_GIB]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        peaks = self.peaks or {"this process": peak_gib()}
        shown = ", ".join(f"{name} {peak:.1f} GiB" for name, peak in sorted(peaks.items()))
        terminalreporter.write_line(f"most memory: {shown}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Peaks())
