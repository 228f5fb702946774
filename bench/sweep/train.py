"""Train many runs as one job: `python -m bench.sweep -f yamls/suites/small_10ep.yaml`.

Finished runs are skipped, so the same command resumes an interrupted sweep (Ctrl-C and SIGTERM stop the runs with a
checkpoint). `key=value` changes the suite's own keys (seeds=[0,1]) or those of every run (batch_size=64).
`python -m bench.sweep status` shows the state of the runs, `--dry-run` the plan and what it costs here, with `--on` on
other machines.
Exit codes: 0 all runs finished, 1 some failed, 2 bad input, 143 or 130 stopped by SIGTERM or SIGINT.
"""

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from bench.budget import data_sizes
from bench.engines.preconditions import check_logging, check_writable
from bench.sweep.backends.interface import Backend
from bench.sweep.backends.locks import RunLock
from bench.sweep.backends.registry import BACKENDS, DEFAULT, OPTIONS
from bench.sweep.elsewhere import elsewhere_lines
from bench.sweep.progress import LiveView, TimeLeft, make_view
from bench.sweep.report import failure_lines, invalid_lines, plan_lines, repeated_line, say
from bench.sweep.runner import Progress, Runner, stop_code
from bench.sweep.states import is_finished, read_state
from bench.sweep.suite import Invalid, Plan, PlannedRun, Suite, plan_suite
from bench.sweep.timing.calibrate import all_runs, calibration_runs, record_noise_floor
from bench.sweep.timing.devices import DEVICES, Fleet, read_fleets
from bench.sweep.timing.estimate import Estimate
from bench.util.cli import FAILED, OK, make_parser
from bench.util.errors import BadInput, check_known

EXAMPLE = "python -m bench.sweep -f yamls/suites/small_10ep.yaml --dry-run"
TIMING_LOCK = "timing.lock"


def workers_argument(text: str) -> int | None:
    """Return the number of workers, None for auto."""
    if text != "auto" and not (text.isdigit() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"'{text}': allowed is auto, or a number of at least 1")
    return None if text == "auto" else int(text)


def seconds_argument(text: str) -> float:
    """Return a number of seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}': allowed is a number of seconds, such as 30")
    return seconds


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser("bench.sweep", __doc__ or "", EXAMPLE)
    parser.add_argument("-f", "--file", required=True, type=Path, metavar="YAML", help="the suite")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="changes to the suite or to all of its runs")
    dry = "show the runs and their estimated cost; train nothing, but measure this machine's speed where it is not "
    dry += "known, and keep it (machine.json in the suite's folder)"
    parser.add_argument("--dry-run", action="store_true", help=dry)
    on = f"with --dry-run: what the suite takes on other machines, such as 8xV100 ({', '.join(DEVICES)})"
    parser.add_argument("--on", metavar="DEVICES", help=on)
    parser.add_argument("--retry-failed", action="store_true", help="train failed runs again")
    where = f"where to train: {', '.join(BACKENDS)} (default: {DEFAULT})"
    parser.add_argument("--backend", default=DEFAULT, metavar="NAME", help=where)
    address = "the cluster of --backend ray: auto, or ray://… (default: Ray is started on this machine)"
    parser.add_argument("--address", metavar="ADDRESS", help=address)
    fetch = "how often a checkpoint is fetched from a node of --backend ray (default: 30)"
    parser.add_argument("--fetch-every", type=seconds_argument, metavar="SECONDS", help=fetch)
    parser.add_argument("--workers", type=workers_argument, metavar="N|auto", help="number of runs at a time")
    parser.add_argument("--measure", action="store_true", help="measure the speed of this machine again")
    return parser


def make_backend(arguments: argparse.Namespace, suite: Suite) -> Backend[Any]:
    """Return the backend of the command line for a suite.

    Raises BadInput for a name that is not registered, and for options of another backend.
    """
    name = arguments.backend
    check_known("backend", name, BACKENDS)
    given = {key: getattr(arguments, key) for keys in OPTIONS.values() for key in keys}
    given = {key: value for key, value in given.items() if value is not None}
    for key in given:
        if key not in OPTIONS.get(name, ()):
            owners = " or ".join(other for other, keys in OPTIONS.items() if key in keys)
            raise BadInput(f"--{key.replace('_', '-')} is for --backend {owners}, not {name}")
    return BACKENDS[name](suite, **given)


def usable(plan: Plan, prepare: Callable[[PlannedRun], None] | None = None) -> Plan:
    """Return the plan without runs whose data are not available; `prepare` makes those of a run available.

    Raises BadInput if no run is left.
    """
    faults: dict[str, str] = {}
    examples: dict[str, PlannedRun] = {}
    for run in plan.runs:
        examples.setdefault(f"{run.spec.data!r}", run)
    for data, run in examples.items():
        try:
            data_sizes(run.spec)
            if prepare:
                prepare(run)
        except BadInput as error:
            faults[data] = str(error)
    runs = tuple(run for run in plan.runs if f"{run.spec.data!r}" not in faults)
    if not runs:
        raise BadInput("\n".join(faults.values()))
    lost = (run for run in plan.runs if run not in runs)
    invalid = (*plan.invalid, *(Invalid(run.label, faults[f"{run.spec.data!r}"]) for run in lost))
    return Plan(plan.suite, plan.source, runs, invalid, plan.repeated)


def check_services(plan: Plan) -> None:
    """Raise BadInput if the runs folder cannot be written or W&B cannot be used: all runs would be refused."""
    check_writable(plan.suite.folder)
    logged = next((run for run in all_runs(plan) if run.spec.wandb.enabled and not is_finished(run)), None)
    if logged is not None:
        check_logging(logged.spec)


def dry_run(plan: Plan, arguments: argparse.Namespace, backend: Backend[Any]) -> int:
    """Print the runs and their estimated cost."""
    plan = usable(plan)
    runs = all_runs(plan)
    estimate = backend.estimate(runs, arguments.workers, timed=True, anew=arguments.measure)
    states = {run.name: read_state(plan.suite, run) for run in runs}
    say(plan_lines(plan, runs, states, estimate, retry=arguments.retry_failed))
    return OK


def execute(plan: Plan, arguments: argparse.Namespace, backend: Backend[Any]) -> int:
    """Train the unfinished runs, report failures, and return the exit code."""
    check_services(plan)
    plan = usable(plan, backend.prepare)
    say([*repeated_line(plan), *invalid_lines(plan.invalid)])
    runs = all_runs(plan)
    alone = plan.suite.timing and any(not is_finished(run) for run in runs)
    with held_alone(plan, backend) if alone else nullcontext():
        estimate = backend.estimate(runs, arguments.workers, timed=False, anew=arguments.measure)
        say([f"{len(plan.runs)} runs in {plan.suite.folder}; workers: {estimate.workers} ({estimate.why})"])
        runners = train(plan, arguments, estimate, backend)
    failed = [item for runner in runners for item in runner.progress.failed]
    stopped = max(runner.stop.received for runner in runners)
    closing = closing_line([runner.progress for runner in runners], len(plan.invalid), stopped)
    say([*failure_lines(failed, plan.invalid), closing])
    return stop_code(stopped) or (FAILED if failed or plan.invalid else OK)


@contextmanager
def held_alone(plan: Plan, backend: Backend[Any]) -> Iterator[None]:
    """Hold the suite and the backend's machines for this sweep alone while entered.

    Waits until other runs have left the machines; raises BadInput if another sweep is training the suite.
    """
    lock = RunLock(plan.suite.folder / TIMING_LOCK)
    if not lock.acquire():
        raise BadInput(f"{plan.source}: another sweep is training this suite; with timing: true only one can")
    try:
        with backend.exclusive(lambda line: say([line])):
            yield
    finally:
        lock.release()


def train(plan: Plan, arguments: argparse.Namespace, estimate: Estimate, backend: Backend[Any]) -> list[Runner]:
    """Train the suite's runs, after its calibration if it is for timing, and return the runners."""
    pair = calibration_runs(plan.suite, plan.runs[0]) if plan.suite.timing else ()
    load = os.getloadavg()[0]
    runners: list[Runner] = []
    for runs in ([*pair], [*plan.runs]):
        if not runs or (runners and runners[-1].stop.received):
            continue
        view = make_view(time_left(runs, estimate))
        retry = arguments.retry_failed
        runners.append(Runner(plan.suite, runs, backend, estimate.workers, view, retry=retry))
        try:
            runners[-1].run()
        finally:
            if isinstance(view, LiveView):
                view.close()
        if runs == [*pair]:
            say([noise_line(record_noise_floor(plan.suite, pair, load))])
    return runners


def time_left(runs: Sequence[PlannedRun], estimate: Estimate) -> TimeLeft:
    """Return the estimator of the time left of some runs."""
    rates = {name: estimate.figures.rate(estimate.workers, task) for name, task in estimate.tasks.items()}
    expected = {run.name: estimate.works[run.name].time(rates[run.name]) for run in runs if run.name in estimate.works}
    first = next(iter(expected.values()), None)
    return TimeLeft({run.name: expected.get(run.name, first) for run in runs}, estimate.workers)


def noise_line(floor: dict[str, object] | None) -> str:
    """Return the noise floor as a line of text."""
    if floor is None:
        return "no noise floor: the calibration runs have not finished"
    shares = floor["relative_difference"]
    assert isinstance(shares, dict), "noise_floor.json is written by this package"
    return "noise floor: " + ", ".join(f"{name} differs by {share:.2%}" for name, share in shares.items())


def closing_line(progresses: Sequence[Progress], invalid: int, stopped: int) -> str:
    """Return the closing line: the number of runs in each state, and how to continue."""
    finished, failed, interrupted = (
        sum(len(getattr(progress, name)) for progress in progresses) for name in ("finished", "failed", "interrupted")
    )
    line = f"{finished} finished, {failed + invalid} failed"
    again = " Run the same command again to resume." if stopped else ""
    retry = " Use --retry-failed to train the failed ones again." if failed and not stopped else ""
    return f"{line}{f', {interrupted} not finished' if stopped else ''}.{again}{retry}"


def elsewhere(arguments: argparse.Namespace) -> list[Fleet]:
    """Return the machines of `--on`; raise BadInput beside what it does not go with."""
    if arguments.on is None:
        return []
    if not arguments.dry_run:
        raise BadInput("--on plans for other machines and trains nothing: use it with --dry-run")
    if arguments.workers is not None or arguments.measure:
        raise BadInput("--workers and --measure are about this machine, --on about others: leave one of them out")
    return read_fleets(arguments.on)


def main(words: Sequence[str]) -> int:
    """Train a suite, or show its plan."""
    arguments = build_parser().parse_args(words)
    fleets = elsewhere(arguments)
    plan = plan_suite(arguments.file, arguments.overrides)
    if fleets:
        say(list(elsewhere_lines(usable(plan), fleets)))
        return OK
    backend = make_backend(arguments, plan.suite)
    return dry_run(plan, arguments, backend) if arguments.dry_run else execute(plan, arguments, backend)
