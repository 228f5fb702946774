"""How far each run of a suite is, as the disk tells it, and why those failed that did."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from bench.budget import in_batches
from bench.records import EPOCHS, FAILED, RunRecord, read_epochs, read_failure, read_json, read_run, to_json
from bench.sweep.backends.locks import is_running
from bench.sweep.suite import PlannedRun, Suite
from bench.util.errors import BadInput
from bench.util.files import write_atomically

State = Literal["finished", "failed", "running", "interrupted", "waiting"]
FAILURES, LOGS = "failures", "logs"
LAST_LINES = 15


@dataclass(frozen=True)
class Failure:
    """Why a run of a suite failed: in words, the exit code, the last lines it printed, the whole log, the command."""

    run: str
    reason: str
    exit_code: int
    lines: Sequence[str]
    log: str
    command: str


def slug(run: PlannedRun) -> str:
    """Return the name of the files that a suite keeps on a run."""
    return run.name.replace("/", ".")


def log_path(suite: Suite, run: PlannedRun) -> Path:
    """Return the file that a run's output goes to."""
    return suite.folder / LOGS / f"{slug(run)}.txt"


def failure_path(suite: Suite, run: PlannedRun) -> Path:
    """Return the file that says why a run failed."""
    return suite.folder / FAILURES / f"{slug(run)}.json"


def write_failure(suite: Suite, run: PlannedRun, failure: Failure) -> None:
    """Write why a run failed, where every sweep on the runs folder sees it."""
    path = failure_path(suite, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, to_json(asdict(failure)))


def find_failure(suite: Suite, run: PlannedRun) -> Failure | None:
    """Return why a run failed, in a sweep or by itself (`failed.json`), or None when it has not."""
    path = failure_path(suite, run)
    if path.is_file():
        try:
            return Failure(**read_json(path))
        except (BadInput, TypeError):
            return Failure(run.name, f"{path} cannot be read", 1, (), str(log_path(suite, run)), "")
    try:
        own = read_failure(run.path)
    except BadInput as error:
        return Failure(run.name, str(error), 1, (), str(run.path / FAILED), "")
    if own is None:
        return None
    reason = f"{own.get('reason')} at step {own.get('step')}"
    return Failure(run.name, reason, 1, (), str(run.path / FAILED), "")


def forget_failure(suite: Suite, run: PlannedRun) -> None:
    """Delete what says that a run failed, so that it is trained again, from its last good checkpoint."""
    for path in (failure_path(suite, run), run.path / FAILED):
        path.unlink(missing_ok=True)


def is_finished(run: PlannedRun) -> bool:
    """Tell whether a run has a result."""
    record = find_record(run)
    return record is not None and record.finished


def find_record(run: PlannedRun) -> RunRecord | None:
    """Return what a run has recorded so far, None before its start or when its record cannot be read."""
    try:
        return read_run(run.path)
    except BadInput:
        return None


def read_state(suite: Suite, run: PlannedRun) -> State:
    """Return how far a run is."""
    if is_finished(run):
        return "finished"
    if is_running(run.path):
        return "running"
    if find_failure(suite, run):
        return "failed"
    return "interrupted" if (run.path / EPOCHS).is_file() else "waiting"


def progress(run: PlannedRun) -> tuple[float, Mapping[str, Any]]:
    """Return the share of a run that its recorded epochs make up, in [0, 1], and the last of them (empty before it).

    Epochs that cannot be read count as none: one damaged file is to end neither the sweep nor its status.
    """
    try:
        rows = read_epochs(run.path / EPOCHS)
    except BadInput:
        return 0.0, {}
    if not rows:
        return 0.0, {}
    last, duration = rows[-1], run.spec.max_duration
    if duration.seconds:
        share = last["train_seconds"] / duration.seconds
    else:
        share = float(last["batch"] / in_batches(duration, run.spec))
    return min(1.0, share), last


def last_lines(log: Path, start: int = 0) -> list[str]:
    """Return the last lines of a log, of what was written after a position; terminal control is left out."""
    try:
        with log.open("rb") as handle:
            size = handle.seek(0, 2)
            handle.seek(max(start, size - 64 * 1024))
            text = handle.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    shown = ("".join(c for c in line if c.isprintable()) for line in text.splitlines())
    return [line for line in shown if line.strip()][-LAST_LINES:]
