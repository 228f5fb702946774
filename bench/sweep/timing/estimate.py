"""Estimate what a suite costs: FLOPs from the counted MACs, time from this machine's measured images/s.

FLOPs are counted as for a budget (`bench.budget.planned_flops`). Evaluating an image is a forward pass, a third of a
training step. Start-up is assumed to take a fixed time; Composer's overhead per step and checkpoints are left out.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from algorithms.registry import unplanned
from bench.budget import data_sizes, forward_macs, in_batches, planned_flops, steps_an_epoch
from bench.spec import RunSpec
from bench.sweep.backends.machine import Machine, make_slots, possible_workers
from bench.sweep.states import is_finished
from bench.sweep.suite import PlannedRun, Suite
from bench.sweep.timing.probe import Task, make_task
from bench.sweep.timing.throughput import FILE, Figures, measure_missing, read_figures
from bench.util.errors import BadInput

STARTUP_SECONDS = 30.0
FORWARD_SHARE = 1 / 3


@dataclass(frozen=True)
class Work:
    """What one run has to do; what is unknown is None.

    `samples`: images trained on; `evaluated`: images evaluated; `macs` of one image's forward pass; `flops` of the
    whole training; `seconds`: the duration of a run that ends by the clock.
    """

    samples: int | None
    evaluated: int
    macs: int | None
    seconds: int | None = None
    flops: int | None = None

    def time(self, rate: float | None) -> float | None:
        """Return the seconds that the run takes at some images/s of training, with start-up."""
        if self.seconds is not None:
            return self.seconds + STARTUP_SECONDS
        if rate is None or self.samples is None:
            return None
        return (self.samples + FORWARD_SHARE * self.evaluated) / rate + STARTUP_SECONDS


@dataclass(frozen=True)
class Estimate:
    """What runs cost, and how many of them (`workers`) are trained at a time, and `why`.

    `works` and `tasks` are keyed by the runs' names; `figures` were measured on a machine with `cores` cores.
    """

    works: Mapping[str, Work]
    tasks: Mapping[str, Task]
    figures: Figures
    cores: int
    workers: int
    why: str


def estimate_on(
    machine: Machine, suite: Suite, runs: Sequence[PlannedRun], workers: int | None, *, timed: bool, anew: bool
) -> Estimate:
    """Return what runs cost on this machine; `workers` None stands for the number that takes the least time.

    Unknown speeds are measured if that choice needs them, and with `timed` in any case; `anew` measures known ones
    again. They are kept in the suite's folder. Raises BadInput for more workers than the machine has room for.
    """
    counts = candidates(suite, machine, workers)
    for count in counts:
        make_slots(machine, count, suite.processes)
    works, tasks = works_of(runs), tasks_of(runs, suite, machine)
    left = {run.name: works[run.name] for run in runs if not is_finished(run)}
    figures, wanted = read_figures(suite.folder, machine), list(tasks.values())
    missing = any(figures.missing(count, wanted) for count in counts)
    if (timed or (left and (anew or len(counts) > 1))) and (anew or missing):
        what = f"the training speed of this machine with {' and '.join(map(str, counts))} at a time"
        print(f"measuring {what}, kept in {suite.folder / FILE} …", file=sys.stderr, flush=True)
        figures = measure_missing(suite.folder, machine, wanted, counts, suite.processes, anew)
    chosen, why = choose_workers(left, tasks, figures, counts)
    return Estimate(works, tasks, figures, len(machine.cores), chosen, why)


def work_of(spec: RunSpec, macs: int | None) -> Work:
    """Return what a run has to do; raise BadInput if its data set is neither there nor registered."""
    if spec.max_duration.seconds:
        return Work(None, 0, macs, spec.max_duration.seconds)
    batches = in_batches(spec.max_duration, spec)
    evaluations = 1 if spec.eval_interval.seconds else math.ceil(batches / in_batches(spec.eval_interval, spec))
    samples = math.ceil(batches) * spec.batch_size
    flops = None if macs is None else flops_or_none(spec)
    return Work(samples, max(1, evaluations) * data_sizes(spec).evaluation, macs, flops=flops)


def flops_or_none(spec: RunSpec) -> int | None:
    """Return the FLOPs of a spec's training, None if an algorithm or an image size leaves them unknown."""
    try:
        duration = spec.max_duration.rounded(steps_an_epoch(spec))
        return None if unplanned(spec.algorithms) else planned_flops(spec, duration, partial(forward_macs, spec))
    except BadInput:
        return None


def works_of(runs: Sequence[PlannedRun]) -> dict[str, Work]:
    """Return what each run (by name) has to do; each network is counted once, MACs are None if it cannot be."""
    counted: dict[str, int | None] = {}
    works = {}
    for run in runs:
        key = f"{run.spec.model!r} {run.spec.data!r} {run.spec.algorithms!r}"
        if key not in counted:
            counted[key] = macs_or_none(run.spec)
        works[run.name] = work_of(run.spec, counted[key])
    return works


def macs_or_none(spec: RunSpec) -> int | None:
    """Return the MACs of a spec's network on one image, None if they cannot be counted."""
    try:
        return forward_macs(spec)
    except BadInput:
        return None


def tasks_of(runs: Sequence[PlannedRun], suite: Suite, machine: Machine) -> dict[str, Task]:
    """Return the task that is measured for each run (by name)."""
    return {run.name: make_task(run.spec, suite.processes, uses_gpu(run, machine)) for run in runs}


def uses_gpu(run: PlannedRun, machine: Machine) -> bool:
    """Tell whether a run would train on a GPU of the machine."""
    return bool(machine.gpus) and run.spec.device != "cpu"


def candidates(suite: Suite, machine: Machine, workers: int | None) -> list[int]:
    """Return the numbers of workers to choose from: a single one if it is given or the suite is for timing."""
    if suite.timing:
        return [1]
    chosen = workers if workers is not None else suite.workers
    return [chosen] if isinstance(chosen, int) else possible_workers(machine, suite.processes)


def suite_seconds(
    works: Mapping[str, Work], tasks: Mapping[str, Task], figures: Figures, workers: int, *, free: bool = False
) -> tuple[float, list[str]]:
    """Return the seconds that all runs take with `workers` at a time, and the names of runs of unknown time."""
    times = {name: work.time(figures.rate(workers, tasks[name], free=free)) for name, work in works.items()}
    known = [seconds for seconds in times.values() if seconds is not None]
    together = max(sum(known) / workers, max(known, default=0.0))
    return together, [name for name, seconds in times.items() if seconds is None]


def choose_workers(
    works: Mapping[str, Work], tasks: Mapping[str, Task], figures: Figures, counts: Sequence[int]
) -> tuple[int, str]:
    """Return the number of workers that takes the least time, and why it was chosen."""
    totals = {workers: suite_seconds(works, tasks, figures, workers) for workers in counts}
    complete = {workers: seconds for workers, (seconds, unknown) in totals.items() if not unknown}
    if len(counts) == 1:
        return counts[0], "the only choice"
    if len(complete) < len(counts) or not works:
        return counts[-1], "as many as fit, since not every choice could be measured"
    best = min(complete, key=lambda workers: (complete[workers], workers))
    others = [f"{n} would take {seconds / complete[best]:.2f}× as long" for n, seconds in complete.items() if n != best]
    return best, f"measured: {', '.join(others)}"
