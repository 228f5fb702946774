"""`python -m bench.rerun RUN`: train a recorded run anew from its record, and say whether it was reproduced.

Reproduced means bit for bit, that is every loss and accuracy of every row, on a machine of the same kind; elsewhere,
that top-1 lies in the 95 % prediction interval for one more run of the record's recipe. It is made from one run of each
seed of that recipe, the record itself among them, in all experiments of the runs folder that holds the record.

The run is trained once: a later call compares what the first has trained.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.analysis import stats
from bench.analysis.identity import recorded_identity
from bench.analysis.metrics import HEADLINE
from bench.records import RunRecord, find_finished_run, read_runs, read_state, run_directory, spec_of
from bench.spec import RunSpec
from bench.util.cli import FAILED, OK, make_parser, run_command
from bench.util.errors import BadInput
from bench.util.files import write_atomically, writing

EXAMPLE = "python -m bench.rerun reports/runs/speed/speed_75-d3db4d23-s0"
# What of a row depends on the machine's speed.
TIMES = ("train_seconds", "eval_seconds")
# What makes two machines of one kind, as far as the bits of a run go.
KIND = ("device_name", "cpu", "world_size", "threads", "precision")
TRAIN = Path(__file__).with_name("train.py")
# The experiment of the runs that were trained anew.
EXPERIMENT = "rerun"


@dataclass(frozen=True)
class Outcome:
    """Whether a run was reproduced, and the sentence that says it."""

    reproduced: bool
    sentence: str


def untimed(record: RunRecord) -> list[dict[str, Any]]:
    """Return the rows of a run without its times."""
    return [{key: value for key, value in row.items() if key not in TIMES} for row in record.epochs]


def machine_of(record: RunRecord) -> dict[str, Any]:
    """Return what a run's bits depend on: the machine's kind and the version of torch."""
    machine: Mapping[str, Any] = (record.result or {}).get("machine") or {}
    return {**{key: machine.get(key) for key in KIND}, "torch": (machine.get("packages") or {}).get("torch")}


def prediction_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % interval in which one more run of a recipe lies, made from its runs; None for fewer than two."""
    found = stats.mean_interval(values)
    if found.sd is None or found.n < 2:
        return None
    half = stats.prediction_half_width(found.sd, found.n - 1, found.n)
    return found.mean - half, found.mean + half


def compare(recorded: RunRecord, anew: RunRecord, seeds: Sequence[float]) -> Outcome:
    """Compare a finished run with its record; `seeds` are the accuracies of its recipe's seeds, its own too."""
    if untimed(recorded) == untimed(anew):
        return Outcome(True, f"reproduced bit for bit: all of its {len(recorded.epochs)} rows are equal")
    ours, theirs = machine_of(anew), machine_of(recorded)
    others = ", ".join(f"{key} {ours[key]} in place of {theirs[key]}" for key in ours if ours[key] != theirs[key])
    top1 = [float((record.result or {})[HEADLINE]) for record in (recorded, anew)]
    said = f"{HEADLINE} {top1[1]:.2f}, recorded {top1[0]:.2f}"
    if not others:
        return Outcome(False, f"not reproduced: {said}, on a machine of the same kind")
    interval = prediction_interval(seeds)
    if interval is None:
        return Outcome(False, f"cannot be told: {said}; no other seed of its recipe is recorded ({others})")
    inside = interval[0] <= top1[1] <= interval[1]
    words = "reproduced within the noise" if inside else "not reproduced"
    by = f"by the {len(seeds)} recorded seeds of its recipe, its own too"
    where = f"95 % of further runs lie in {interval[0]:.2f} to {interval[1]:.2f} {by}"
    return Outcome(inside, f"{words}: {said}; {where} ({others})")


def read_finished(path: Path) -> RunRecord:
    """Return a finished run's record; raise BadInput for a folder that holds none."""
    record = find_finished_run(path)
    if record.changes:
        raise BadInput(f"{path} went on by another engine or number of processes: one command does not repeat it")
    return record


def seeds_of(recorded: RunRecord) -> list[float]:
    """Return the headline accuracy of one finished run of each recorded seed of a record's recipe, by seed.

    Of its own seed that is the record. The others may lie in any experiment of the same runs folder but that of reruns;
    of several runs of a seed the first by name counts, as in tables.
    """
    recipe = recorded_identity(recorded.spec)
    found = {recorded.seed: recorded}
    for record in read_runs(recorded.path.resolve().parent.parent):
        again = record.seed in found or record.path.parent.name == EXPERIMENT
        if record.finished and not again and recorded_identity(record.spec) == recipe:
            found[record.seed] = record
    return [float((found[seed].result or {})[HEADLINE]) for seed in sorted(found)]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser("bench.rerun", __doc__ or "", EXAMPLE)
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a finished run's record")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where to train (default: runs)")
    return parser


def train_anew(recorded: RunRecord, spec: RunSpec, path: Path) -> int:
    """Train a spec into the folder `path`, with as many processes as the recorded run had; return the exit code."""
    file = path.with_name(f"{path.name}.json")
    with writing(f"runs folder: {file}"):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, json.dumps(spec.model_dump(mode="json"), indent=1) + "\n")
    processes = int(((recorded.result or {}).get("machine") or {}).get("world_size") or 1)
    command = [sys.executable, "-m", "bench.launch", "-n", str(processes), str(TRAIN), "-f", str(file)]
    return subprocess.run(command, check=False).returncode


def main(words: Sequence[str]) -> int:
    """Train the run anew unless an earlier call has, and compare."""
    options = build_parser().parse_args(words)
    recorded = read_finished(options.run)
    moved = {"experiment": EXPERIMENT, "runs": str(options.runs.resolve())}
    spec = spec_of(recorded).model_copy(update=moved)
    path, seeds = run_directory(spec), seeds_of(recorded)
    if path == recorded.path.resolve():
        raise BadInput(f"{path} is where this run would be trained anew: name another folder with --runs")
    finished, _ = read_state(path)
    if finished:
        print(f"{path}: an earlier call trained it; it is compared again (to train anew, delete it or change --runs)")
    elif code := train_anew(recorded, spec, path):
        return code
    outcome = compare(recorded, read_finished(path), seeds)
    print(outcome.sentence)
    return OK if outcome.reproduced else FAILED


if __name__ == "__main__":
    sys.exit(run_command(main))
