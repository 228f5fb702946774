"""What a run directory holds, and its only reader and writer. It imports neither torch nor composer.

    runs/<experiment>/<model>-<recipe hash>-s<seed>/
        spec.yaml            the resolved spec
        environment.json     versions, commit, machine, precision
        epochs.jsonl         one row an epoch and an evaluation, appended and flushed
        result.json          written last, atomically: its presence means finished
        weights.safetensors  the evaluated weights of a finished run (`bench.engines.weights`)
        failed.json          in place of a result: why going on would fail in the same way (its presence means failed)
        rank<R>.error.txt    the error of a process other than the first, whose output the launcher hides
        evaluation/          what `python -m bench.evaluate` measured on its network, one file each
        checkpoints/ wandb/  what the run goes on from (`bench.engines.checkpoints`), and the offline W&B run

A row of `epochs.jsonl` is written at each epoch's end, at each evaluation within an epoch and at the run's end. All of
it tells of the step `batch`: epoch (epochs trained: 1.5 in the middle of the second), samples (seen so far, all ranks),
lr, the metrics of `bench.analysis.metrics` as train_loss, train_top1 (means over the epoch's steps up to this one) and
eval_loss, eval_top1, …, eval_samples (of the weights at this step; null when they were not evaluated), train_seconds,
eval_seconds (both since the start of the run). Older records have no rows within an epoch, their `epoch` is the number
of epochs begun, and a row may hold an evaluation of an earlier step of its epoch.

`result.json`: status, run, experiment, recipe, seed, spec; the metrics, evaluated_samples (of the final weights);
best {top1, epoch} (a diagnostic: chosen on the evaluation split); model {name, family, technique, own_design,
params, macs, activations, fingerprint, … (each null where it could not be counted; `uncounted_because` says why)};
data {name, split, classes, image (channels, height, width; older records have none), train_samples, eval_samples};
training {epochs, steps, samples, flops (of all passes, a teacher's too; null where unknown, and `uncounted_because`;
older records: 3 forward passes a sample)}; seconds {startup, train, eval, checkpoint, other, total}; images_per_second;
machine {device, device_name, cpu, cores (that it may use), host_cores, world_size, nodes (where there are several),
threads, precision (what the declared one became), compiled, packages, commit, kind (of the node, where a sweep on Ray
trained the run)}; of a run that went on by another engine or number of processes (`bench.train`'s --allow-change) also
changes: [{step, before, after}], each of the latter {engine, world_size, batch_parts}.

`failed.json`: status, reason, step, epoch, lr, loss (text when no number), checkpoint (the last good one, or null).

A percentage is in percent (68.4), a time in seconds, a count in units (macs and flops too), a learning rate as it is.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import yaml
from filelock import FileLock, Timeout
from pydantic import ValidationError

from bench.analysis.identity import renamed
from bench.analysis.metrics import HEADLINE, METRICS
from bench.analysis.shared_devices import read_shared, what_shared
from bench.spec import RunSpec, run_name
from bench.util.dotted import number_at, value_at
from bench.util.errors import BadInput, first_line
from bench.util.files import write_atomically, writing
from bench.util.untrusted import printable, read_json
from bench.util.yaml_safety import UNREADABLE, check_aliases

# Beside the runs of an experiment, when the same run was trained twice to know the noise (`sweep.timing.calibrate`).
NOISE_FLOOR = "noise_floor.json"
SPEC, ENVIRONMENT, EPOCHS, RESULT, LOCK = "spec.yaml", "environment.json", "epochs.jsonl", "result.json", "run.lock"
CHECKPOINTS, WANDB, FAILED, ERROR = "checkpoints", "wandb", "failed.json", "rank{}.error.txt"
WEIGHTS = "weights.safetensors"
EVALUATION = "evaluation"
# The sections and some numbers of a result and of a recorded spec, which may be missing.
SECTIONS = ("model", "data", "training", "seconds", "machine", "machine.packages", "best")
NUMBERS = (*METRICS, "model.params", "model.macs", "machine.world_size", "seconds.train", "training.flops")
SPEC_NUMBERS = ("batch_size", "optimizer.lr", "optimizer.weight_decay")
SPEC_SECTIONS = (
    *("model", "model.options", "model.weights", "data", "optimizer", "optimizer.rest", "schedule", "augmentation"),
    "algorithms",
)
Row = dict[str, Any]
EVALUATED = re.compile(rf'"eval_{HEADLINE}": ?([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)'.encode())


@dataclass(frozen=True)
class RunRecord:
    """One run as its directory tells it; `result` is None until the run has finished.

    `local` says that `path` is a directory of this machine, from which more may be read. `shared` says what else ran on
    the run's device, so that its times do not count; nothing where that is not known.
    """

    local: ClassVar[bool] = True
    path: Path
    spec: Mapping[str, Any]
    result: Mapping[str, Any] | None = field(default=None)
    shared: str = ""

    @property
    def run_id(self) -> str:
        """Return `<experiment>/<run>`, which names the run everywhere."""
        return printable(f"{self.path.parent.name}/{self.path.name}")

    @property
    def model(self) -> str:
        """Return the model's name in the zoo."""
        return str(self.spec["model"]["name"])

    @property
    def seed(self) -> int:
        """Return the seed."""
        return int(self.spec["seed"])

    @property
    def precision(self) -> str:
        """Return the precision that the run computed in; what its spec declares where no result tells it."""
        return str(((self.result or {}).get("machine") or {}).get("precision") or self.spec.get("precision"))

    @property
    def changes(self) -> Sequence[Mapping[str, Any]]:
        """Return how the run was computed otherwise before, step by step; nothing for most runs."""
        return (self.result or {}).get("changes") or ()

    @property
    def finished(self) -> bool:
        """Tell whether the run has been trained and evaluated to its end."""
        return self.result is not None and self.result.get("status") == "finished"

    @cached_property
    def failure(self) -> Mapping[str, Any] | None:
        """Return why the run failed (`failed.json`), or None; a run that failed counts as unfinished."""
        return None if self.finished else read_failure(self.path)

    @cached_property
    def evaluations(self) -> Mapping[str, Any]:
        """Return evaluator → what it measured on the final weights and the images that the run evaluates.

        Files of other weights or images have a suffix in their names and are left out.
        """
        if not self.local:
            return {}
        files = sorted((self.path / EVALUATION).glob("*.json"))
        return {path.stem: read_json(path) for path in files if "-" not in path.stem}

    @cached_property
    def epochs(self) -> list[Row]:
        """Return the rows of `epochs.jsonl`."""
        return read_epochs(self.path / EPOCHS)


def run_directory(spec: RunSpec) -> Path:
    """Return the run's directory; raise BadInput if it would lie outside the runs folder, or that can be no folder."""
    try:
        root = Path(spec.runs).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise BadInput(f"key 'runs': {spec.runs!r} cannot be the path of a folder: {error}") from None
    path = (root / spec.experiment / run_name(spec)).resolve()
    if not path.is_relative_to(root) or path.parent.parent != root:
        raise BadInput(f"run '{spec.experiment}/{run_name(spec)}' would leave the runs folder {root}")
    return path


def read_runs(root: Path) -> list[RunRecord]:
    """Return every run below a runs folder, sorted by path; a folder without a spec or result is no run."""
    if not root.is_dir():
        raise BadInput(f"{root}: there is no such runs folder (start a run first, or name one with --runs)")
    return list(_find_runs(root))


def _find_runs(root: Path) -> Iterator[RunRecord]:
    """Yield the runs one or two folders below a runs folder."""
    shared = read_shared(root)
    patterns = [f"{depth}/{name}" for depth in ("*", "*/*") for name in (SPEC, RESULT)]
    for path in sorted({found.parent for pattern in patterns for found in root.glob(pattern)}):
        record = read_run(path)
        yield replace(record, shared=what_shared(record.run_id, shared))


def read_run(path: Path) -> RunRecord:
    """Return one run; its result carries the spec, so a finished run needs no YAML to be read."""
    result = read_json(path / RESULT) if (path / RESULT).is_file() else None
    spec = result.get("spec") if result else None
    spec = spec or read_spec(path / SPEC)
    if not names_a_run(spec):
        raise BadInput(f"{path / (RESULT if result else SPEC)}: its spec has no model name or no seed: no run wrote it")
    check_shape(result or {}, SECTIONS, NUMBERS, path / RESULT)
    check_shape(spec, SPEC_SECTIONS, SPEC_NUMBERS, path / (RESULT if result else SPEC))
    algorithms = spec.get("algorithms") or {}
    check_shape(algorithms, tuple(algorithms), (), path / (RESULT if result else SPEC))
    return RunRecord(path, spec, result)


def check_shape(content: Mapping[str, Any], sections: Sequence[str], numbers: Sequence[str], path: Path) -> None:
    """Raise BadInput naming file and key where a section is no mapping, or what should be a number is none."""
    for key in sections:
        value = content[key] if key in content else value_at(content, key)
        if not isinstance(value, Mapping) and (value is not None or key in content):
            raise BadInput(f"{path}: '{key}': a mapping of keys to values is expected, not {value!r}")
    for key in numbers:
        if value_at(content, key) is not None and number_at(content, key) is None:
            raise BadInput(f"{path}: '{key}': a number is expected, not {value_at(content, key)!r}")


def find_run(path: Path) -> RunRecord:
    """Return the run that a user names by its folder; raise BadInput for a folder that holds none."""
    if not (path / SPEC).is_file() and not (path / RESULT).is_file():
        raise BadInput(f"{path} is no run's folder (runs/<experiment>/<run>, which holds {SPEC})")
    return read_run(path)


def find_finished_run(path: Path) -> RunRecord:
    """Return the finished run that a user names by its folder; raise BadInput for anything else."""
    record = find_run(path)
    if not record.finished:
        state = "has failed" if record.failure else "has not finished"
        raise BadInput(f"the run {path} {state}; train it to its end first")
    return record


def spec_of(record: RunRecord) -> RunSpec:
    """Return a recorded spec as one of this version, whatever its keys were called when it was written.

    Raises BadInput for one that this version does not understand.
    """
    try:
        return RunSpec.model_validate(dict(renamed(record.spec)))
    except ValidationError as error:
        raise BadInput(f"{record.path}: its spec was recorded by another version: {first_line(error)}") from None


def names_a_run(spec: Any) -> bool:
    """Tell whether a content has what every spec of a run has: a model's name and a seed."""
    model = spec.get("model") if isinstance(spec, Mapping) else None
    return isinstance(model, Mapping) and isinstance(model.get("name"), str) and isinstance(spec.get("seed"), int)


def read_failure(path: Path) -> dict[str, Any] | None:
    """Return what `failed.json` of a run's directory tells, or None when the run has not failed."""
    return read_json(path / FAILED) if (path / FAILED).is_file() else None


def read_state(path: Path) -> tuple[bool, dict[str, Any] | None]:
    """Return whether the run of a directory has finished, and why it failed, if it did."""
    finished = (path / RESULT).is_file()
    return finished, None if finished else read_failure(path)


def read_spec(path: Path) -> dict[str, Any]:
    """Return a recorded spec as a plain mapping."""
    try:
        text = path.read_text(encoding="utf-8")
        check_aliases(text, str(path))
        content = yaml.safe_load(text)
    except (OSError, *UNREADABLE) as error:
        raise BadInput(f"{path}: cannot be read: {first_line(error)}") from None
    if not isinstance(content, dict) or "model" not in content or "seed" not in content:
        raise BadInput(f"{path}: is not the spec of a run")
    return printable(content)


def read_noise_floor(folder: Path) -> dict[str, Any] | None:
    """Return what `noise_floor.json` of an experiment's folder tells, or None where there is none."""
    return read_json(folder / NOISE_FLOOR) if (folder / NOISE_FLOOR).is_file() else None


def read_epochs(path: Path) -> list[Row]:
    """Return the complete rows of an epochs file; a torn last line (the writer was killed) is left out."""
    if not path.is_file():
        return []
    complete, _, _ = path.read_bytes().rpartition(b"\n")
    return [read_row(path, number, line) for number, line in enumerate(complete.split(b"\n"), 1) if line]


def scan_targets(path: Path, targets: Sequence[float]) -> list[float | None]:
    """Return the train seconds after which an epochs file first shows each ascending top-1 target; None for never.

    It may hold hundreds of rows: only the accuracies are scanned, only the rows needed are parsed.
    """
    complete = path.read_bytes().rpartition(b"\n")[0] + b"\n"
    times: list[float | None] = []
    for match in EVALUATED.finditer(complete):
        if len(times) == len(targets):
            break
        if float(match[1]) >= targets[len(times)]:
            start, end = complete.rfind(b"\n", 0, match.start()) + 1, complete.find(b"\n", match.end())
            row = read_row(path, complete.count(b"\n", 0, start) + 1, complete[start:end])
            seconds = number_at(row, "train_seconds")
            times += [seconds for target in targets[len(times) :] if float(match[1]) >= target]
    return times + [None] * (len(targets) - len(times))


def read_row(path: Path, number: int, line: bytes) -> Row:
    """Return a line of an epochs file; raise BadInput naming the line when it is no row."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}, line {number}: cannot be read as JSON: {error}") from None
    if not isinstance(row, dict):
        raise BadInput(f"{path}, line {number}: a JSON object is expected")
    return row


def to_json(content: Mapping[str, Any]) -> bytes:
    """Return a mapping as readable JSON; NaN and infinity are refused, since no other tool would read them."""
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


def write_evaluation(run: Path, what: str, content: Mapping[str, Any]) -> Path:
    """Write `evaluation/<what>.json` of a run and return its path; raise BadInput where the disk refuses it."""
    path = run / EVALUATION / f"{what}.json"
    with writing(f"{path}:"):
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, to_json(content))
    return path


class RunWriter:
    """Write one run's directory; holds the run's lock from `claim` to `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / LOCK)

    def claim(self, spec: RunSpec, environment: Mapping[str, Any]) -> None:
        """Create the directory, lock the run and write its spec and environment; raise BadInput when it cannot be."""
        with writing(f"runs folder: {self.path}"):
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                raise BadInput(f"run {self.path} is being trained by another process{self._holder()}") from None
            try:
                self._clean()
                text = yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
                write_atomically(self.path / SPEC, text.encode())
                write_atomically(self.path / ENVIRONMENT, to_json(environment))
            except OSError:
                self.release()
                raise

    def _clean(self) -> None:
        """Write who holds the lock, and delete what a killed attempt left: temporary files, errors of its processes."""
        (self.path / LOCK).write_text(f"{os.getpid()}\n", encoding="ascii")
        for path in (*self.path.glob(".*.tmp"), *self.path.glob(ERROR.format("*"))):
            path.unlink(missing_ok=True)

    def _holder(self) -> str:
        """Return the number of the process that wrote itself into the lock, in words."""
        try:
            number = (self.path / LOCK).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            number = ""
        return f" (process {number} holds {LOCK})" if number.isdigit() else f" (it holds {LOCK})"

    def restore_epochs(self, rows: Sequence[Row]) -> None:
        """Make the epochs file hold exactly these rows: what a run goes on from, without a torn or later line."""
        path = self.path / EPOCHS
        content = b"".join(to_line(row) for row in rows)
        if (path.read_bytes() if path.is_file() else b"") != content:
            write_atomically(path, content)

    def append_epoch(self, row: Row) -> None:
        """Append one epoch's row and flush it to the disk."""
        with (self.path / EPOCHS).open("ab") as handle:
            handle.write(to_line(row))
            handle.flush()
            os.fsync(handle.fileno())

    def fail(self, failure: Mapping[str, Any]) -> None:
        """Write why the run failed; it counts as unfinished, and starting it again says so."""
        write_atomically(self.path / FAILED, to_json({"status": "failed", **failure}))

    def record_error(self, rank: int, text: str) -> None:
        """Leave the error of a process other than the first where the first can show it; do nothing if that fails."""
        with suppress(OSError):
            write_atomically(self.path / ERROR.format(rank), text.encode())

    def read_errors(self) -> dict[int, str]:
        """Return the errors that other processes left, by rank, the earliest first."""
        found = []
        for path in self.path.glob(ERROR.format("*")):
            rank = path.name.removeprefix("rank").partition(".")[0]
            with suppress(OSError):
                found.append((path.stat().st_mtime_ns, rank, path.read_text(encoding="utf-8", errors="replace")))
        return {int(rank): text for _, rank, text in sorted(found) if rank.isdigit()}

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write the result; from then on the run counts as finished."""
        write_atomically(self.path / RESULT, to_json(result))

    def release(self) -> None:
        """Give the run's lock back."""
        self._lock.release()


def to_line(row: Row) -> bytes:
    """Return a row as one line of JSON."""
    return (json.dumps(row, allow_nan=False) + "\n").encode()
