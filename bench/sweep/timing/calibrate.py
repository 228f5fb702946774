"""The noise floor of a suite for timing (A/A calibration): the same run is trained twice, under two names.

`noise_floor.json` in the folder of the suite's runs, which tables print beside every time:

    suite, what                  the suite's name, and what the figures are
    runs                         the ids of the two runs
    relative_difference          |a - b| / ((a + b) / 2) of each quantity below, e.g. 0.012: 1.2 %
    values                       the quantities: "seconds.train", "seconds.total", "images_per_second", each [a, b]
    machine                      device, cores, threads, … of the first run (see `bench.records`)
    load                         the load average before the first run; near 0 on an idle machine

The pair is a single sample of the noise: differences smaller than it are not distinguishable, and some larger ones are
not either.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bench.records import NOISE_FLOOR, read_noise_floor, run_directory, to_json
from bench.sweep.states import find_record
from bench.sweep.suite import Plan, PlannedRun, Suite
from bench.util.dotted import number_at
from bench.util.files import write_atomically

QUANTITIES = ("seconds.train", "seconds.total", "images_per_second")
WHAT = "A/A calibration: one run trained twice; relative_difference = |a - b| / mean(a, b)"


def calibration_runs(suite: Suite, first: PlannedRun) -> tuple[PlannedRun, PlannedRun]:
    """Return the suite's first run as two runs, in the experiments `<suite>-aa1` and `<suite>-aa2`."""
    one, two = (move(first, f"{suite.name}-aa{number}") for number in (1, 2))
    return one, two


def all_runs(plan: Plan) -> tuple[PlannedRun, ...]:
    """Return the runs of a suite, after those of its calibration if it is for timing."""
    return (*(calibration_runs(plan.suite, plan.runs[0]) if plan.suite.timing else ()), *plan.runs)


def move(run: PlannedRun, experiment: str) -> PlannedRun:
    """Return a run in another experiment: the same training, recorded elsewhere."""
    spec = run.spec.model_copy(update={"experiment": experiment})
    words = [word for word in run.words if not word.startswith("experiment=")]
    return replace(run, spec=spec, path=run_directory(spec), words=(*words, f"experiment={experiment}"))


def relative_difference(one: float, two: float) -> float:
    """Return |a - b| / mean(a, b) of two positive numbers."""
    return abs(one - two) / ((one + two) / 2)


def noise_floor(suite: Suite, pair: Sequence[PlannedRun], load: float) -> dict[str, Any] | None:
    """Return the content of `noise_floor.json`, None before both runs have finished."""
    records = [find_record(run) for run in pair]
    results = [record.result for record in records if record is not None and record.result and record.finished]
    if len(results) < 2:
        return None
    values = {name: [number_at(result, name) for result in results] for name in QUANTITIES}
    known = {name: [v for v in found if v] for name, found in values.items()}
    return {
        "suite": suite.name,
        "what": WHAT,
        "runs": [run.name for run in pair],
        "relative_difference": {n: relative_difference(*found) for n, found in known.items() if len(found) == 2},
        "values": values,
        "machine": dict(results[0]["machine"]),
        "load": round(load, 2),
    }


def record_noise_floor(suite: Suite, pair: Sequence[PlannedRun], load: float) -> dict[str, Any] | None:
    """Write the noise floor once both runs have finished, and return it; an existing one of the same runs is kept."""
    path = suite.runs_folder / NOISE_FLOOR
    known = read_noise_floor(suite.runs_folder)
    if known is not None and known.get("runs") == [run.name for run in pair]:
        return known
    content = noise_floor(suite, pair, load)
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, to_json(content))
    return content
