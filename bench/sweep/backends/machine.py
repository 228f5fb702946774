"""The machine that a sweep runs on: its cores and GPUs, and the slots that share them between runs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import psutil

from bench.environment import cpu_model
from bench.util.errors import BadInput

# What one run was measured to use on a CPU, rounded up; no more runs share a machine than fit in its memory.
MEMORY_OF_A_RUN = 2 * 2**30


@dataclass(frozen=True)
class Machine:
    """The cores that this process may use, the GPUs that it sees, and the bytes of free memory."""

    cores: tuple[int, ...]
    gpus: tuple[str, ...] = ()
    memory: int = 2**40

    @property
    def name(self) -> str:
        """Return the machine's name, under which its figures are kept."""
        gpus = f" · {len(self.gpus)} GPUs" if self.gpus else ""
        return f"{cpu_model()} · {len(self.cores)} cores{gpus}"


@dataclass(frozen=True)
class Slot:
    """Cores and GPUs that one run at a time is trained on, and the number of threads of each of its processes."""

    index: int
    cores: tuple[int, ...]
    gpus: tuple[str, ...]
    threads: int

    @property
    def name(self) -> str:
        """Return the slot's GPUs and cores, as shown to the user."""
        where = f"GPU {','.join(self.gpus)}, " if self.gpus else ""
        return f"{where}core{'s' if len(self.cores) > 1 else ''} {','.join(map(str, self.cores))}"

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return the environment variables of a run in this slot, without those of another launcher."""
        foreign = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(self.threads))
        visible = {"CUDA_VISIBLE_DEVICES": ",".join(self.gpus)} if self.gpus else {}
        return {**{key: value for key, value in inherited.items() if key not in foreign}, **threads, **visible}


def find_machine() -> Machine:
    """Return this machine as this process may use it; no torch is imported."""
    return Machine(usable_cores(), find_gpus(os.environ), psutil.virtual_memory().available)


def usable_cores() -> tuple[int, ...]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def find_gpus(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the GPUs that `CUDA_VISIBLE_DEVICES` lists; if it is not set, all that nvidia-smi lists."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        # As CUDA reads it: entries after a negative or empty one are ignored.
        named: list[str] = []
        for entry in visible.split(","):
            if not entry.strip() or entry.strip().startswith("-"):
                break
            named.append(entry.strip())
        return tuple(named) if driver_lists() else ()
    return driver_lists()


def driver_lists() -> tuple[str, ...]:
    """Return the numbers of the GPUs that nvidia-smi lists; none without it."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    command = [tool, "--query-gpu=index", "--format=csv,noheader"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in listed.splitlines() if line.strip().isdigit())


def possible_workers(machine: Machine, processes: int) -> list[int]:
    """Return how many runs of some number of processes can share a machine, fewest first.

    With GPUs there is one answer: one process per GPU. On a CPU each process needs a core, and the answers divide the
    cores: 1, 2, 4, … up to one core per process. Raises BadInput when there are fewer GPUs than processes.
    """
    if machine.gpus:
        if processes > len(machine.gpus):
            raise BadInput(f"key 'processes': {processes} processes need as many GPUs; there are {len(machine.gpus)}")
        return [len(machine.gpus) // processes]
    most = max(1, min(len(machine.cores) // processes, machine.memory // MEMORY_OF_A_RUN))
    return [count for count in range(1, most + 1) if len(machine.cores) % count == 0 or count == most]


def make_slots(machine: Machine, workers: int, processes: int) -> list[Slot]:
    """Return the slots for `workers` runs at a time; cores and GPUs are divided evenly and not shared.

    Raises BadInput if there are too few cores, or GPUs, for the processes of so many runs.
    """
    kind, there = ("GPUs", machine.gpus) if machine.gpus else ("cores", tuple(map(str, machine.cores)))
    if workers > max(1, len(there) // processes):
        raise BadInput(f"key 'workers': {workers} runs of {processes} processes need more than {len(there)} {kind}")
    slots = []
    for index, cores in enumerate(deal(machine.cores, workers)):
        gpus = machine.gpus[index * processes : (index + 1) * processes]
        slots.append(Slot(index, cores, gpus, max(1, len(cores) // processes)))
    return slots


def deal(items: Sequence[int], parts: int) -> list[tuple[int, ...]]:
    """Return items in consecutive parts whose sizes differ by at most one; if there are too few, parts share them."""
    if parts > len(items):
        return [(items[index % len(items)],) for index in range(parts)]
    edges = [len(items) * index // parts for index in range(parts + 1)]
    return [tuple(items[start:end]) for start, end in pairwise(edges)]


@contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """Pin this thread to some cores while entered; processes that it starts in that time are pinned to them, too."""
    if sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
