"""The measured speed of this machine, `machine.json` in a suite's folder: images/s of each network, by workers.

    {"<machine>": {"<workers>": {"<network and recipe>": {"images_per_second": 812.4, "on_a_free_machine": 815.0,
                                                          "measured_at": "2026-…", "load": 0.1, "torch": "2.7.0"}}}}

`images_per_second` is the speed of one run while `workers` runs train side by side, `on_a_free_machine` the same from
processor time. `load` is the load average before the measurement: if it is not near zero, other processes have slowed
the former down.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.environment import installed
from bench.records import to_json
from bench.sweep.backends.machine import Machine, make_slots
from bench.sweep.timing.probe import Task, measure_together
from bench.util.errors import BadInput
from bench.util.files import write_atomically, writing
from bench.util.untrusted import read_json

FILE = "machine.json"
# A load average above this share of the cores means that the machine was busy with other processes.
BUSY = 0.25


@dataclass(frozen=True)
class Figures:
    """The speeds recorded of one machine: workers → network → record."""

    records: Mapping[int, Mapping[str, Mapping[str, Any]]]

    def rate(self, workers: int, task: Task, *, free: bool = False) -> float | None:
        """Return images/s of one run among `workers`, as measured or on a free machine; None if unknown."""
        record = self.records.get(workers, {}).get(task.key)
        return float(record["on_a_free_machine" if free else "images_per_second"]) if record else None

    def missing(self, workers: int, tasks: Iterable[Task]) -> list[Task]:
        """Return the tasks that have not been measured, each once."""
        return list({task.key: task for task in tasks if self.rate(workers, task) is None}.values())

    def found(self, workers: int, tasks: Iterable[Task]) -> list[Mapping[str, Any]]:
        """Return the records of those tasks that have been measured."""
        records = (self.records.get(workers, {}).get(task.key) for task in tasks)
        return [record for record in records if record]

    def load(self, workers: int, tasks: Iterable[Task]) -> float:
        """Return the highest load average at which some tasks were measured."""
        return max((float(record["load"]) for record in self.found(workers, tasks)), default=0.0)

    def when(self, workers: int, tasks: Iterable[Task]) -> str:
        """Return when some tasks were measured, as text."""
        times = sorted({str(record["measured_at"])[:16].replace("T", " ") for record in self.found(workers, tasks)})
        return " to ".join(dict.fromkeys([times[0], times[-1]])) + " UTC" if times else "never"


def read_figures(folder: Path, machine: Machine) -> Figures:
    """Return what a suite's folder records of a machine with this version of torch, which may be nothing."""
    path = folder / FILE
    content = read_json(path) if path.is_file() else {}
    by_workers = content.get(machine.name, {})
    torch = installed("torch")
    try:
        return Figures(
            {
                int(workers): {key: record for key, record in by_task.items() if record["torch"] == torch}
                for workers, by_task in by_workers.items()
            }
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise BadInput(f"{path}: not in the format of this version; delete it to measure the machine again") from None


def measure_missing(
    folder: Path, machine: Machine, tasks: Sequence[Task], counts: Sequence[int], processes: int, anew: bool = False
) -> Figures:
    """Measure and record what has not been measured for each number of workers; with `anew` all of it."""
    figures = read_figures(folder, machine)
    # Read once, before the first measurement: a later average would count the measurement itself as other work.
    load = os.getloadavg()[0]
    for workers in counts:
        missing = Figures({}).missing(workers, tasks) if anew else figures.missing(workers, tasks)
        if missing:
            measured = measure(machine, missing, workers, processes, load)
            merged = {**figures.records, workers: {**figures.records.get(workers, {}), **measured}}
            figures = Figures(merged)
            write_figures(folder, machine, figures)
    return figures


def measure(
    machine: Machine, tasks: Sequence[Task], workers: int, processes: int, load: float
) -> dict[str, dict[str, Any]]:
    """Measure tasks with `workers` runs at a time and return their records; `load` is the load average before."""
    slots = make_slots(machine, workers, processes)
    # On GPUs each run has its own device, and the devices are alike.
    speeds = measure_together(tasks, slots[:1] if machine.gpus else slots)
    shared = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": round(load, 2),
        "torch": installed("torch"),
    }
    return {
        key: {
            "images_per_second": round(speed.by_clock * processes, 1),
            "on_a_free_machine": round(speed.alone * processes, 1),
            **shared,
        }
        for key, speed in speeds.items()
    }


def write_figures(folder: Path, machine: Machine, figures: Figures) -> None:
    """Write the figures of a machine, keeping those of others in the file."""
    path = folder / FILE
    with writing(f"runs folder: {path}"):
        folder.mkdir(parents=True, exist_ok=True)
        content = read_json(path) if path.is_file() else {}
        content[machine.name] = {str(workers): dict(tasks) for workers, tasks in figures.records.items()}
        write_atomically(path, to_json(content))
