"""What a sweep prints: the plan with its estimated cost, the state of each run, and what failed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bench.analysis.metrics import HEADLINE, METRICS
from bench.sweep.states import Failure, State, find_failure, find_record, progress
from bench.sweep.suite import Invalid, Plan, PlannedRun, Suite
from bench.sweep.timing.estimate import STARTUP_SECONDS, Estimate, suite_seconds
from bench.sweep.timing.throughput import BUSY
from bench.util.console import show_seconds
from bench.util.dotted import number_at
from bench.util.text_table import text_table

PFLOP = 10**15
MISSING = "?"
UNCOUNTED = (
    "not included: Composer's overhead per step, checkpoints; nor, since a plain step of SGD was measured, smaller "
    "images (augmentation.sizes), the kernels chosen for small maps, other optimizers such as Muon, most algorithms"
)


def say(lines: Sequence[str]) -> None:
    """Print lines without buffering."""
    for line in lines:
        print(line, flush=True)


def plan_lines(
    plan: Plan, runs: Sequence[PlannedRun], states: Mapping[str, State], estimate: Estimate, *, retry: bool = False
) -> list[str]:
    """Return the plan as `--dry-run` prints it: a line for each run, then the cost of all runs and of those left.

    Failed runs are left only if they are to be retried.
    """
    header = ("run", "state", "duration", "samples", "PFLOP", "images/s", "time")
    rows = [plan_row(plan.suite, run, states[run.name], estimate) for run in runs]
    over = ("finished",) if retry else ("finished", "failed")
    left = [run for run in runs if states[run.name] not in over]
    return [
        *text_table(header, rows, range(2, len(header))),
        "",
        cost_line("all runs", runs, estimate),
        cost_line("left to train", left, estimate),
        f"workers: {estimate.workers} ({estimate.why})",
        *time_lines(left, estimate),
        *repeated_line(plan),
        *invalid_lines(plan.invalid),
    ]


def plan_row(suite: Suite, run: PlannedRun, state: State, estimate: Estimate) -> tuple[str, ...]:
    """Return one run's line of the plan."""
    work = estimate.works[run.name]
    rate = estimate.figures.rate(estimate.workers, estimate.tasks[run.name])
    seconds = work.time(rate)
    return (
        label_in(suite, run),
        state,
        str(run.spec.max_duration),
        MISSING if work.samples is None else f"{work.samples:,}",
        MISSING if work.flops is None else f"{work.flops / PFLOP:.4g}",
        MISSING if rate is None else f"{rate:,.0f}",
        MISSING if seconds is None else show_seconds(seconds),
    )


def label_in(suite: Suite, run: PlannedRun) -> str:
    """Return a run's label, or its full name for a run of the calibration, whose label another run has, too."""
    return run.label if run.path.parent == suite.runs_folder else run.name


def cost_line(title: str, runs: Sequence[PlannedRun], estimate: Estimate) -> str:
    """Return the number of runs and the compute of their training."""
    flops = [estimate.works[run.name].flops for run in runs]
    unknown = flops.count(None)
    more = f", without {unknown} of unknown cost" if unknown else ""
    return f"{title}: {len(runs)}, {sum(f for f in flops if f is not None) / PFLOP:.4g} PFLOP{more}"


def time_lines(runs: Sequence[PlannedRun], estimate: Estimate) -> list[str]:
    """Return the estimated time of runs, the speed it is based on, and what it leaves out."""
    tasks = [estimate.tasks[run.name] for run in runs]
    works = {run.name: estimate.works[run.name] for run in runs}
    if not runs:
        return []
    as_measured, unknown = suite_seconds(works, estimate.tasks, estimate.figures, estimate.workers)
    if len(unknown) == len(works):
        return ["estimated time: unknown, since the speed of these runs has not been measured"]
    lines = [f"estimated time: {show_seconds(as_measured)}{speed_words(runs, estimate)}"]
    if unknown:
        lines.append(f"without runs of unknown speed or length: {', '.join(unknown)}")
    load, cores = estimate.figures.load(estimate.workers, tasks), estimate.cores
    if load > BUSY * cores:
        free, _ = suite_seconds(works, estimate.tasks, estimate.figures, estimate.workers, free=True)
        lines.append(
            f"the machine was busy during the measurement (load average {load:.1f} on {cores} cores); estimate for an "
            f"idle machine, from processor time: {show_seconds(free)}"
        )
    return [*lines, f"included: training, evaluation, {STARTUP_SECONDS:.0f} s of start-up per run; {UNCOUNTED}"]


def speed_words(runs: Sequence[PlannedRun], estimate: Estimate) -> str:
    """Return the range over the networks of the measured GFLOP/s, summed over all workers, and when it was measured."""
    found = []
    for run in runs:
        macs, rate = estimate.works[run.name].macs, estimate.figures.rate(estimate.workers, estimate.tasks[run.name])
        if macs is not None and rate is not None:
            found.append(6 * macs * rate * estimate.workers / 10**9)
    when = estimate.figures.when(estimate.workers, [estimate.tasks[run.name] for run in runs])
    return f", at {min(found):,.0f} to {max(found):,.0f} GFLOP/s measured {when}" if found else ""


def repeated_line(plan: Plan) -> list[str]:
    """Return the line about runs that the suite names more than once."""
    return [f"duplicates in the suite, trained once: {plan.repeated}"] if plan.repeated else []


def invalid_lines(invalid: Sequence[Invalid]) -> list[str]:
    """Return the lines about models that cannot be trained as declared."""
    return [f"cannot be trained: {item.name}\n  {item.reason}" for item in invalid]


def status_lines(suite: Suite, runs: Sequence[PlannedRun], states: Mapping[str, State]) -> list[str]:
    """Return the state and last epoch or result of each run, the number of runs in each state, and the failures."""
    header = ("run", "state", "done", METRICS[HEADLINE].words, "train time")
    rows = [status_row(suite, run, states[run.name]) for run in runs]
    return [*text_table(header, rows, range(2, len(header))), "", *count_lines(suite, runs, states)]


def count_lines(suite: Suite, runs: Sequence[PlannedRun], states: Mapping[str, State]) -> list[str]:
    """Return the number of runs in each state, and the reason of each failure."""
    counts = Counter(states[run.name] for run in runs)
    lines = [", ".join(f"{number} {state}" for state, number in counts.items())]
    failures = [(run, find_failure(suite, run)) for run in runs if states[run.name] == "failed"]
    return [*lines, *(f"{run.name}: {failure.reason} ({failure.log})" for run, failure in failures if failure)]


def status_row(suite: Suite, run: PlannedRun, state: State) -> tuple[str, ...]:
    """Return one run's line of the status."""
    record, label = find_record(run), label_in(suite, run)
    if record is not None and record.finished and record.result:
        return label, state, "100%", *scored(record.result, HEADLINE, "seconds.train")
    share, row = progress(run)
    return label, state, f"{share:.0%}" if row else "", *scored(row, f"eval_{HEADLINE}", "train_seconds")


def scored(content: Mapping[str, Any], score: str, seconds: str) -> tuple[str, str]:
    """Return an accuracy and a time at two dotted paths as text, empty where there is none."""
    value, time = number_at(content, score), number_at(content, seconds)
    return "" if value is None else METRICS[HEADLINE].format(value), "" if time is None else show_seconds(time)


def failure_lines(failed: Sequence[tuple[PlannedRun, Failure]], invalid: Sequence[Invalid]) -> list[str]:
    """Return the report of failures: name, reason, last lines, log, and the command that trains the run alone."""
    lines = []
    for run, failure in failed:
        lines += [f"FAILED {run.name}: {failure.reason}", *(f"    | {line}" for line in failure.lines)]
        lines += [f"    log: {failure.log}", *([f"    alone: {failure.command}"] if failure.command else [])]
    for item in invalid:
        lines += [f"FAILED {item.name}: cannot be trained as declared", f"    | {item.reason}"]
    return lines
