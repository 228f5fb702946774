"""What a suite costs on other machines: from counted MACs, and from throughput that was measured, published or stated.

For a network on a device the first that there is holds: our own records of it there (`measured`), the deck authors'
logs on V100 (`published`), the device's stated figures (`bench.sweep.timing.devices`). Throughput per device is taken
to be the same for any number of devices.
"""

import heapq
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.audit.claims import Subject
from bench.audit.published import Published
from bench.engines.precision import FP32
from bench.records import RunRecord
from bench.spec import RunSpec
from bench.sweep.suite import PlannedRun, Suite
from bench.sweep.timing.devices import Device, Fleet, find_device
from bench.sweep.timing.estimate import Work
from bench.util.errors import BadInput
from bench.zoo.counting.golden import Golden

MEASURED, PUBLISHED, STATED, UNKNOWN = "measured", "published", "stated", "unknown"
# Of the deck authors' logs.
LOGGED_ON = "V100"
BYTES = 4
# How many numbers an optimizer keeps of each parameter.
STATES = {"sgd": 1, "adamw": 2, "muon": 1}
# (device, model, stem, options) → images/s of one device.
Rates = Mapping[tuple[Any, ...], float]


@dataclass(frozen=True)
class Expected:
    """What one run takes on a fleet: images/s of the run and where that is from, and its seconds; None if unknown."""

    rate: float | None
    source: str
    seconds: float | None


@dataclass(frozen=True)
class Elsewhere:
    """What a suite takes on a fleet: each run (by name), how many run at a time, and the seconds of all.

    `processes` is the number of devices that a run uses; the seconds are None if a run's are unknown.
    """

    fleet: Fleet
    processes: int
    runs: Mapping[str, Expected]
    at_a_time: int
    seconds: float | None

    @property
    def device_seconds(self) -> float:
        """Return the seconds of all devices that the runs use, of those runs whose time is known."""
        return self.processes * sum(run.seconds or 0.0 for run in self.runs.values())


def network_key(device: str, model: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what throughput is kept by: the device, and the network as a spec declares it."""
    return (device, model["name"], model.get("stem"), *sorted((model.get("options") or {}).items()))


def measured_rates(records: Iterable[RunRecord]) -> dict[tuple[Any, ...], float]:
    """Return the median images/s of one device of the finished runs of each network on a device that is known.

    The runs must have had their device to themselves (`RunRecord.shared`).
    """
    found: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for record in records:
        result = record.result or {}
        machine, rate = result.get("machine") or {}, result.get("images_per_second")
        device = find_device(str(machine.get("device_name"))) if machine.get("device") == "gpu" else None
        if record.finished and device and rate:
            found[network_key(device, record.spec["model"])].append(rate / int(machine.get("world_size") or 1))
    return {key: statistics.median(rates) for key, rates in found.items()}


def published_rate(published: Published, spec: RunSpec) -> float | None:
    """Return the images/s of one device in the deck authors' logs of a network, None where they have none of it."""
    options = {key: value for key, value in spec.model.options.items() if isinstance(value, int | str)}
    if spec.model.options != options:
        return None
    subject = Subject(spec.model.name, tuple(sorted(options.items())))
    network = published.fingerprint(subject) if spec.model.stem is None else None
    runs = [run for run in published.pool(subject) if published.network(run) == network and run.hours]
    rates = [run.steps * run.batch_per_gpu / (run.hours * 3600) for run in runs]
    return statistics.median(rates) if rates else None


def find_rate(
    spec: RunSpec, work: Work, fleet: Fleet, measured: Rates, published: Published
) -> tuple[float | None, str]:
    """Return the images/s of one device of a fleet on a run, and where that is from."""
    device = fleet.device
    known = measured.get(network_key(fleet.name, spec.model.model_dump()))
    if known:
        return known, MEASURED
    logged = published_rate(published, spec) if fleet.name == LOGGED_ON else None
    if logged:
        return logged, PUBLISHED
    precision = device.precision if spec.precision in ("auto", "amp") else spec.precision
    if work.flops is None or not work.samples:
        return None, UNKNOWN
    rate = device.rate(work.flops / work.samples, precision)
    return rate, STATED if rate else UNKNOWN


def plan_elsewhere(
    fleet: Fleet,
    suite: Suite,
    runs: Sequence[PlannedRun],
    works: Mapping[str, Work],
    measured: Rates,
    published: Published,
) -> Elsewhere:
    """Return what runs of a suite take on a fleet; raise BadInput for a fleet that is too small for one of them."""
    processes = suite.processes
    if fleet.count < processes:
        raise BadInput(f"--on '{fleet}': a run of this suite takes {processes} devices (key 'processes')")
    expected = {}
    for run in runs:
        rate, source = find_rate(run.spec, works[run.name], fleet, measured, published)
        together = None if rate is None else rate * processes
        expected[run.name] = Expected(together, source, works[run.name].time(together))
    at_a_time = 1 if suite.timing else fleet.count // processes
    return Elsewhere(
        fleet, processes, expected, at_a_time, makespan([run.seconds for run in expected.values()], at_a_time)
    )


def makespan(times: Sequence[float | None], at_a_time: int) -> float | None:
    """Return the seconds until runs have ended that start in their order, so many at a time; None if one is unknown."""
    ends = [0.0] * at_a_time
    for seconds in times:
        if seconds is None:
            return None
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends)


def least_memory(spec: RunSpec, golden: Mapping[str, Golden], processes: int, device: Device) -> float | None:
    """Return the GiB that a device needs at least: weights, gradients, optimizer state, and what layers put out.

    None for a network that the zoo has no figures of; what else is kept for the backward pass comes on top.
    """
    known = golden.get(spec.model.name) if spec.model.stem is None and not spec.model.options else None
    if known is None:
        return None
    wide = spec.precision == FP32 or (spec.precision in ("auto", "amp") and device.precision == FP32)
    outputs = known.activations * (spec.batch_size // processes) * (BYTES if wide else BYTES // 2)
    return (known.params * BYTES * (2 + STATES[spec.optimizer.name]) + outputs) / 2**30
