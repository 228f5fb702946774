"""The state of each run of a suite, read from the disk, and the reasons of failures."""

import glob
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from bench.budget import in_batches
from bench.records import EPOCHS, FAILED, RESULT, RunRecord, read_epochs, read_failure, read_run, spec_of, to_json
from bench.spec import run_name
from bench.sweep.backends.locks import is_running
from bench.sweep.suite import PlannedRun, Suite
from bench.util.dotted import number_at
from bench.util.errors import BadInput
from bench.util.files import write_atomically
from bench.util.untrusted import read_json

State = Literal["finished", "failed", "running", "interrupted", "waiting"]
FAILURES, LOGS = "failures", "logs"
LAST_LINES = 15


@dataclass(frozen=True)
class Failure:
    """Why a run failed: reason, exit code, last lines of output, path of the log, and the command that trains it."""

    run: str
    reason: str
    exit_code: int
    lines: Sequence[str]
    log: str
    command: str


def slug(run: PlannedRun) -> str:
    """Return the run's name as a file name, for the files that a suite keeps about it."""
    return run.name.replace("/", ".")


def log_path(suite: Suite, run: PlannedRun) -> Path:
    """Return the path of the log that a run's output is appended to."""
    return suite.folder / LOGS / f"{slug(run)}.txt"


def failure_path(suite: Suite, run: PlannedRun) -> Path:
    """Return the path of the file that records a failure of a run."""
    return suite.folder / FAILURES / f"{slug(run)}.json"


def write_failure(suite: Suite, run: PlannedRun, failure: Failure) -> None:
    """Record a failure where every sweep on the same runs folder finds it."""
    path = failure_path(suite, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, to_json(asdict(failure)))


def find_failure(suite: Suite, run: PlannedRun) -> Failure | None:
    """Return the failure that a sweep or the run itself (`failed.json`) has recorded, None if there is none."""
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
    """Delete the records of a failure, so that the run is trained again, from its last good checkpoint."""
    for path in (failure_path(suite, run), run.path / FAILED):
        path.unlink(missing_ok=True)


def is_finished(run: PlannedRun) -> bool:
    """Tell whether a run has a result."""
    record = find_record(run)
    return record is not None and record.finished


def find_record(run: PlannedRun) -> RunRecord | None:
    """Return the record of a run, None before it starts or if the record cannot be read.

    A run that finished under the name that an older version of the suite gave it is found beside its own folder.
    """
    try:
        return read_run(run.path)
    except BadInput:
        return find_older_record(run)


def find_older_record(run: PlannedRun) -> RunRecord | None:
    """Return the finished run of the same recipe and seed in a folder of an older name, None where there is none."""
    model, _, seed = run.path.name.rsplit("-", 2)
    folders = sorted(run.path.parent.glob(f"{glob.escape(model)}-*-{seed}"))
    older = (path for path in folders if (path / RESULT).is_file() and name_today(path) == run.path.name)
    return next((read_run(path) for path in older), None)


@cache
def name_today(path: Path) -> str | None:
    """Return the folder name that this version gives to a finished run; None for one that it does not understand.

    It is kept: a finished run does not change.
    """
    try:
        record = read_run(path)
        return run_name(spec_of(record)) if record.finished else None
    except BadInput:
        return None


def read_state(suite: Suite, run: PlannedRun) -> State:
    """Return the state of a run."""
    if is_finished(run):
        return "finished"
    if is_running(run.path):
        return "running"
    if find_failure(suite, run):
        return "failed"
    return "interrupted" if (run.path / EPOCHS).is_file() else "waiting"


def progress(run: PlannedRun) -> tuple[float, Mapping[str, Any]]:
    """Return the share of a run that is done, in [0, 1], and the last row of its epochs (empty before the first).

    An epochs file that cannot be read counts as empty: it must not end the sweep or its status.
    """
    try:
        rows = read_epochs(run.path / EPOCHS)
    except BadInput:
        return 0.0, {}
    if not rows:
        return 0.0, {}
    last, duration = rows[-1], run.spec.max_duration
    seconds, batch = number_at(last, "train_seconds"), number_at(last, "batch")
    if seconds is None or batch is None:
        return 0.0, {}
    share = seconds / duration.seconds if duration.seconds else float(batch / in_batches(duration, run.spec))
    return min(1.0, share), last


def last_lines(log: Path, start: int = 0) -> list[str]:
    """Return the last lines of a log that were written after a position, without control characters."""
    try:
        with log.open("rb") as handle:
            size = handle.seek(0, 2)
            handle.seek(max(start, size - 64 * 1024))
            text = handle.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    shown = ("".join(c for c in line if c.isprintable()) for line in text.splitlines())
    return [line for line in shown if line.strip()][-LAST_LINES:]
