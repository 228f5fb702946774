"""`--dry-run --on 8xV100,64xH100`: what a suite takes on other machines, as lines of text."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.audit.published import read_published
from bench.environment import REPOSITORY
from bench.records import RunRecord, read_runs
from bench.sweep.report import MISSING, PFLOP, invalid_lines, repeated_line
from bench.sweep.suite import Plan, PlannedRun
from bench.sweep.timing.devices import Fleet
from bench.sweep.timing.elsewhere import (
    LOGGED_ON,
    MEASURED,
    PUBLISHED,
    STATED,
    UNKNOWN,
    Elsewhere,
    least_memory,
    measured_rates,
    plan_elsewhere,
)
from bench.sweep.timing.estimate import STARTUP_SECONDS, Work, works_of
from bench.util.console import show_seconds
from bench.util.text_table import text_table
from bench.zoo.counting.golden import read_golden

RECORDS = REPOSITORY / "reports" / "runs"
HEADER = ("network", "runs", "PFLOP a run", "images/s", "is", "time of a run", "device-hours")
WORDS = {
    MEASURED: "measured: our own records of the network alone on this device (the suite's runs, reports/runs)",
    PUBLISHED: f"published: the deck authors' logs of the network on {LOGGED_ON} (reports/claims/published_runs.csv)",
    UNKNOWN: "unknown: no record, and the cost cannot be counted or the precision is not the device's",
}


def elsewhere_lines(plan: Plan, fleets: Sequence[Fleet]) -> Iterator[str]:
    """Yield what a suite takes on each fleet, all runs anew: a line for each network, then the sums."""
    works, published = works_of(plan.runs), read_published(read_golden())
    measured = measured_rates(record for root in {RECORDS, plan.suite.folder.parent} for record in known_runs(root))
    for fleet in fleets:
        found = plan_elsewhere(fleet, plan.suite, plan.runs, works, measured, published)
        yield from fleet_lines(plan.runs, works, found)
        yield ""
    yield from (*repeated_line(plan), *invalid_lines(plan.invalid))


def known_runs(root: Path) -> list[RunRecord]:
    """Return the records below a folder whose times count: those of runs that had their device to themselves.

    None where there is no such folder.
    """
    return [record for record in read_runs(root) if not record.shared] if root.is_dir() else []


def fleet_lines(runs: Sequence[PlannedRun], works: Mapping[str, Work], found: Elsewhere) -> Iterator[str]:
    """Yield what runs take on one fleet."""
    groups: dict[str, list[PlannedRun]] = {}
    for run in runs:
        groups.setdefault(run.label.rpartition("-s")[0], []).append(run)
    rows = [group_row(name, members, works, found) for name, members in groups.items()]
    yield from text_table((f"{HEADER[0]} on {found.fleet}", *HEADER[1:]), rows, (1, 2, 3, 5, 6))
    yield ""
    yield from sum_lines(runs, works, found)
    yield from source_lines(found)
    yield from memory_lines(groups, found)


def group_row(name: str, members: Sequence[PlannedRun], works: Mapping[str, Work], found: Elsewhere) -> tuple[str, ...]:
    """Return the line of a network: its runs differ in the seed alone."""
    work, one = works[members[0].name], found.runs[members[0].name]
    hours = None if one.seconds is None else len(members) * one.seconds * found.processes / 3600
    return (
        name,
        str(len(members)),
        MISSING if work.flops is None else f"{work.flops / PFLOP:.4g}",
        MISSING if one.rate is None else f"{one.rate:,.0f}",
        one.source,
        MISSING if one.seconds is None else show_seconds(one.seconds),
        MISSING if hours is None else f"{hours:.1f}",
    )


def sum_lines(runs: Sequence[PlannedRun], works: Mapping[str, Work], found: Elsewhere) -> Iterator[str]:
    """Yield the compute, the device-hours and the time of all runs."""
    flops = [works[run.name].flops for run in runs]
    unknown = sum(run.seconds is None for run in found.runs.values())
    more = f", without {unknown} runs of unknown time" if unknown else ""
    time = show_seconds(found.seconds) if found.seconds is not None else "unknown"
    yield (
        f"{found.fleet}: {len(runs)} runs, {sum(f for f in flops if f is not None) / PFLOP:.4g} PFLOP, "
        f"{found.device_seconds / 3600:,.1f} device-hours{more}; {time} with {found.at_a_time} at a time, "
        f"each on {found.processes}"
    )
    yield f"included: training, evaluation, {STARTUP_SECONDS:.0f} s of start-up per run; not: waiting, lost devices"


def source_lines(found: Elsewhere) -> Iterator[str]:
    """Yield where the throughput of how many runs is from."""
    device = found.fleet.device
    peak = device.peak[device.precision]
    stated = (
        f"stated: {device.utilisation:.1%} of {peak:g} TFLOP/s ({device.precision}), at most "
        f"{device.images_per_second:,.0f} images/s a device; {device.source}"
    )
    counts = Counter(run.source for run in found.runs.values())
    for source, count in counts.items():
        yield f"{count} runs {stated if source == STATED else WORDS[source]}"


def memory_lines(groups: Mapping[str, Sequence[PlannedRun]], found: Elsewhere) -> Iterator[str]:
    """Yield the networks that need more memory than a device has."""
    golden, device = read_golden(), found.fleet.device
    for name, (run, *_) in groups.items():
        least = least_memory(run.spec, golden, found.processes, device)
        if least is not None and least > device.memory:
            yield f"{name} does not fit: it needs at least {least:.0f} GiB a device, which has {device.memory}"
