"""`python -m bench.rerun RUN`: train a recorded run anew from its record, and say whether it was reproduced.

Reproduced means bit for bit, that is every loss and accuracy of every row, on a machine of the same kind; elsewhere,
that top-1 lies in the 95 % prediction interval for one more run of the record's recipe, made from its other seeds.
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
from bench.analysis.metrics import HEADLINE
from bench.records import RunRecord, find_finished_run, read_runs
from bench.util.cli import FAILED, OK, make_parser, run_command
from bench.util.errors import BadInput
from bench.util.files import write_atomically

EXAMPLE = "python -m bench.rerun reports/runs/speed/speed_75-d3db4d23-s0"
# What of a row depends on the machine's speed.
TIMES = ("train_seconds", "eval_seconds")
# What makes two machines of one kind, as far as the bits of a run go.
KIND = ("device_name", "cpu", "world_size", "threads", "precision")
TRAIN = Path(__file__).with_name("train.py")


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
    """Return the 95 % interval in which one more run of a recipe lies, made from its runs; None of fewer than two."""
    found = stats.mean_interval(values)
    if found.sd is None or found.n < 2:
        return None
    half = stats.t_quantile(found.n - 1, stats.CONFIDENCE) * found.sd * (1 + 1 / found.n) ** 0.5
    return found.mean - half, found.mean + half


def compare(recorded: RunRecord, anew: RunRecord, seeds: Sequence[float]) -> Outcome:
    """Compare a finished run with its record; `seeds` are the headline accuracies of the recipe's recorded runs."""
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
    where = f"95 % of further runs lie in {interval[0]:.2f} to {interval[1]:.2f} by its {len(seeds)} seeds"
    return Outcome(inside, f"{words}: {said}; {where} ({others})")


def read_finished(path: Path) -> RunRecord:
    """Return a finished run's record; raise BadInput for a folder that holds none."""
    record = find_finished_run(path)
    if record.changes:
        raise BadInput(f"{path} went on by another engine or number of processes: one command does not repeat it")
    return record


def seeds_of(recorded: RunRecord) -> list[float]:
    """Return the headline accuracies of the finished runs of a record's recipe that lie beside it."""
    results = [record.result or {} for record in read_runs(recorded.path.parent) if record.finished]
    recipe = (recorded.result or {})["recipe"]
    return [float(result[HEADLINE]) for result in results if result["recipe"] == recipe]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser("bench.rerun", __doc__ or "", EXAMPLE)
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a finished run's record")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where to train (default: runs)")
    return parser


def main(words: Sequence[str]) -> int:
    """Train the run anew with as many processes as it had, and compare."""
    options = build_parser().parse_args(words)
    recorded = read_finished(options.run)
    spec = {**recorded.spec, "experiment": "rerun", "runs": str(options.runs.resolve())}
    path = options.runs.resolve() / "rerun" / recorded.path.name
    file = path.with_suffix(".json")
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps(spec, indent=1) + "\n")
    processes = int(((recorded.result or {}).get("machine") or {}).get("world_size") or 1)
    command = [sys.executable, "-m", "bench.launch", "-n", str(processes), str(TRAIN), "-f", str(file)]
    done = subprocess.run(command, check=False)
    if done.returncode:
        return done.returncode
    outcome = compare(recorded, read_finished(path), seeds_of(recorded))
    print(outcome.sentence)
    return OK if outcome.reproduced else FAILED


if __name__ == "__main__":
    sys.exit(run_command(main))
