"""Train many runs as one job: `python -m bench.sweep -f yamls/suites/cpu_first.yaml`.

Finished runs are left alone, so the same command goes on after an interruption (Ctrl-C and SIGTERM stop the runs with
a checkpoint). `status` in front of the flags shows how far the suite is, without -f all of yamls/suites.
`key=value` changes the suite's own keys (seeds=[0,1]) and every run's (batch_size=64).
Exit codes: 0 all runs finished, 1 some failed, 2 bad input, 143 or 130 stopped by SIGTERM or SIGINT.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.budget import data_sizes
from bench.data.datasets import data_root, find_folder
from bench.engines.preconditions import check_logging, check_writable
from bench.sweep.backends.host import HostLocks
from bench.sweep.backends.locks import RunLock
from bench.sweep.backends.machine import Machine, find_machine, make_slots
from bench.sweep.backends.tree import Launcher, compose
from bench.sweep.progress import LiveView, TimeLeft, make_view
from bench.sweep.report import (
    Outlook,
    failure_lines,
    invalid_lines,
    plan_lines,
    repeated_line,
    say,
)
from bench.sweep.runner import Progress, Runner, stop_code
from bench.sweep.states import is_finished, read_state
from bench.sweep.suite import Invalid, Plan, PlannedRun, plan_suite
from bench.sweep.timing.calibrate import all_runs, calibration_runs, record_noise_floor
from bench.sweep.timing.estimate import candidates, choose_workers, tasks_of, works_of
from bench.sweep.timing.throughput import measure_missing, read_figures
from bench.util.cli import FAILED, OK, make_parser
from bench.util.errors import BadInput

EXAMPLE = "python -m bench.sweep -f yamls/suites/cpu_first.yaml --dry-run"
TIMING_LOCK = "timing.lock"


def workers_argument(text: str) -> int | None:
    """Return the number of runs at a time, None for auto."""
    if text != "auto" and not (text.isdigit() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"'{text}': allowed is auto, or a number from 1 on")
    return None if text == "auto" else int(text)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser("bench.sweep", __doc__ or "", EXAMPLE)
    parser.add_argument("-f", "--file", required=True, type=Path, metavar="YAML", help="the suite's declaration")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="changes to the suite or to all of its runs")
    parser.add_argument("--dry-run", action="store_true", help="show the runs and what they cost; train nothing")
    parser.add_argument("--retry-failed", action="store_true", help="train again what has failed before")
    parser.add_argument("--workers", type=workers_argument, metavar="N|auto", help="runs at a time")
    parser.add_argument("--measure", action="store_true", help="measure this machine anew")
    return parser


def usable(plan: Plan, *, prepare: bool) -> Plan:
    """Return the plan without the runs whose data cannot be had; `prepare` draws the embedded data set if need be.

    Raises BadInput when none is left.
    """
    faults: dict[str, str] = {}
    for run in plan.runs:
        data = run.spec.data
        if f"{data!r}" in faults:
            continue
        try:
            data_sizes(run.spec)
            if prepare:
                find_folder(data.name, data_root(data.root))
        except BadInput as error:
            faults[f"{data!r}"] = str(error)
    runs = tuple(run for run in plan.runs if f"{run.spec.data!r}" not in faults)
    if not runs:
        raise BadInput("\n".join(faults.values()))
    lost = (run for run in plan.runs if run not in runs)
    invalid = (*plan.invalid, *(Invalid(run.label, faults[f"{run.spec.data!r}"]) for run in lost))
    return Plan(plan.suite, plan.source, runs, invalid, plan.repeated)


def check_services(plan: Plan) -> None:
    """Raise BadInput for what every run of the suite would be refused for: its folder, its logging."""
    check_writable(plan.suite.folder)
    logged = next((run for run in all_runs(plan) if run.spec.wandb.enabled and not is_finished(run)), None)
    if logged is not None:
        check_logging(logged.spec)


def look_ahead(plan: Plan, arguments: argparse.Namespace, machine: Machine, *, measure: bool) -> Outlook:
    """Return what the suite costs and how many runs are trained at a time; `measure` what is not yet known."""
    suite = plan.suite
    runs = all_runs(plan)
    works, tasks = works_of(runs), tasks_of(runs, suite, machine)
    counts = candidates(suite, machine, arguments.workers)
    figures = read_figures(suite.folder, machine)
    wanted = list(tasks.values())
    if measure and (arguments.measure or any(figures.missing(count, wanted) for count in counts)):
        shown = " and ".join(map(str, counts))
        print(f"measuring how fast this machine trains, {shown} at a time …", file=sys.stderr, flush=True)
        figures = measure_missing(suite.folder, machine, wanted, counts, suite.processes, arguments.measure)
    left = {run.name: works[run.name] for run in runs if not is_finished(run)}
    workers, why = choose_workers(left, tasks, figures, counts)
    return Outlook(works, tasks, figures, machine, workers, why)


def dry_run(plan: Plan, arguments: argparse.Namespace) -> int:
    """Print the runs with their estimated cost."""
    plan = usable(plan, prepare=False)
    outlook = look_ahead(plan, arguments, find_machine(), measure=True)
    runs = all_runs(plan)
    states = {run.name: read_state(plan.suite, run) for run in runs}
    say(plan_lines(plan, runs, states, outlook, retry=arguments.retry_failed))
    return OK


def execute(plan: Plan, arguments: argparse.Namespace, launcher: Launcher) -> int:
    """Train what is not finished, report what failed, and return the exit code."""
    check_services(plan)
    plan = usable(plan, prepare=True)
    say([*repeated_line(plan), *invalid_lines(plan.invalid)])
    machine, host = find_machine(), HostLocks()
    several = len(candidates(plan.suite, machine, arguments.workers)) > 1
    left = any(not is_finished(run) for run in all_runs(plan))
    with ExitStack() as stack:
        if plan.suite.timing and left:
            hold_alone(plan, machine, host, stack)
        outlook = look_ahead(plan, arguments, machine, measure=left and (several or arguments.measure))
        say([f"{len(plan.runs)} runs in {plan.suite.folder}; at a time: {outlook.workers} ({outlook.why})"])
        runners = train(plan, arguments, outlook, launcher, host)
    failed = [item for runner in runners for item in runner.progress.failed]
    stopped = max(runner.stop.received for runner in runners)
    closing = closing_line([runner.progress for runner in runners], len(plan.invalid), stopped)
    say([*failure_lines(failed, plan.invalid), closing])
    return stop_code(stopped) or (FAILED if failed or plan.invalid else OK)


def hold_alone(plan: Plan, machine: Machine, host: HostLocks, stack: ExitStack) -> None:
    """Hold the suite and the whole machine for this sweep alone until the stack is closed.

    Waits for what other runs hold of the machine; raises BadInput when another sweep holds the suite.
    """
    claim = RunLock(plan.suite.folder / TIMING_LOCK)
    if not claim.acquire():
        raise BadInput(f"{plan.source}: another sweep trains this suite, and with timing: true each run is alone")
    stack.callback(claim.release)
    stack.callback(host.release)
    host.keep_all(machine, lambda line: say([line]))


def train(
    plan: Plan, arguments: argparse.Namespace, outlook: Outlook, launcher: Launcher, host: HostLocks
) -> list[Runner]:
    """Train the suite's runs, after its calibration if it is for timing, and return what trained them."""
    slots = make_slots(outlook.machine, outlook.workers, plan.suite.processes)
    pair = calibration_runs(plan.suite, plan.runs[0]) if plan.suite.timing else ()
    load = os.getloadavg()[0]
    runners: list[Runner] = []
    for runs in ([*pair], [*plan.runs]):
        if not runs or (runners and runners[-1].stop.received):
            continue
        view = make_view(time_left(runs, outlook))
        retry = arguments.retry_failed
        runners.append(Runner(plan.suite, runs, slots, view, retry=retry, launcher=launcher, host=host))
        try:
            runners[-1].run()
        finally:
            if isinstance(view, LiveView):
                view.close()
        if runs == [*pair]:
            say([noise_line(record_noise_floor(plan.suite, pair, load))])
    return runners


def time_left(runs: Sequence[PlannedRun], outlook: Outlook) -> TimeLeft:
    """Return what estimates the time left of some runs."""
    rates = {name: outlook.figures.rate(outlook.workers, task) for name, task in outlook.tasks.items()}
    expected = {run.name: outlook.works[run.name].time(rates[run.name]) for run in runs if run.name in outlook.works}
    first = next(iter(expected.values()), None)
    return TimeLeft({run.name: expected.get(run.name, first) for run in runs}, outlook.workers)


def noise_line(floor: dict[str, object] | None) -> str:
    """Return the noise floor in words."""
    if floor is None:
        return "no noise floor: the calibration has not finished"
    shares = floor["relative_difference"]
    assert isinstance(shares, dict), "noise_floor.json is written by this package"
    return "noise floor: " + ", ".join(f"{name} differs by {share:.2%}" for name, share in shares.items())


def closing_line(progresses: Sequence[Progress], invalid: int, stopped: int) -> str:
    """Return what came of all runs in one line, and how to go on."""
    finished, failed, interrupted = (
        sum(len(getattr(progress, name)) for progress in progresses) for name in ("finished", "failed", "interrupted")
    )
    line = f"{finished} finished, {failed + invalid} failed"
    again = " The same command goes on." if stopped else ""
    retry = " --retry-failed trains the failed ones again." if failed and not stopped else ""
    return f"{line}{f', {interrupted} not finished' if stopped else ''}.{again}{retry}"


def main(words: Sequence[str], launcher: Launcher = compose) -> int:
    """Train a suite, or show its plan."""
    arguments = build_parser().parse_args(words)
    plan = plan_suite(arguments.file, arguments.overrides)
    return dry_run(plan, arguments) if arguments.dry_run else execute(plan, arguments, launcher)
