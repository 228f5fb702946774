"""A toy backend: two machines with disks of their own, each a folder beside the runs folder, to which a run is sent.

Nothing that runs there sees the runs folder. What a run has left is fetched: its epochs while it lasts, all of it at
its end. The next attempt, on whichever machine, is sent what was fetched.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.records import EPOCHS
from bench.sweep.backends.interface import Backend, Exit
from bench.sweep.backends.local import LocalBackend
from bench.sweep.backends.locks import RunLock
from bench.sweep.backends.machine import Machine
from bench.sweep.backends.registry import on_ray
from bench.sweep.states import last_lines, log_path
from bench.sweep.suite import PlannedRun, Suite
from bench.sweep.timing.estimate import Estimate, tasks_of, works_of
from bench.sweep.timing.throughput import Figures
from tests.sweep.stand_in import stand_in, stand_in_at, stand_in_elsewhere


@dataclass(frozen=True)
class RemoteMachine:
    name: str
    disk: Path

    def send(self, run: PlannedRun) -> Path:
        """Copy what is known of a run to the machine, and return its directory there."""
        folder = self.disk / "runs" / run.path.parent.name / run.path.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if run.path.exists():
            shutil.copytree(run.path, folder, dirs_exist_ok=True)
        return folder


class RemoteJob:
    def __init__(self, suite: Suite, run: PlannedRun, machine: RemoteMachine) -> None:
        self.run, self.machine, self.running = run, machine, True
        self._folder, self._log = machine.send(run), log_path(suite, run)
        spec = run.spec.model_copy(update={"runs": str(machine.disk / "runs")})
        file = machine.disk / "spec.json"
        file.write_text(spec.model_dump_json())
        command = stand_in_at(self._folder, spec.model.name, file)
        self._output = (machine.disk / "output.txt").open("w+b")
        self._process = subprocess.Popen(
            command, cwd=machine.disk, stdout=self._output, stderr=subprocess.STDOUT, start_new_session=True
        )

    @property
    def where(self) -> str:
        return self.machine.name

    def poll(self) -> Exit | None:
        code = self._process.poll()
        self.run.path.mkdir(parents=True, exist_ok=True)
        if code is None:
            with suppress(FileNotFoundError):
                shutil.copy(self._folder / EPOCHS, self.run.path / EPOCHS)
            return None
        shutil.copytree(self._folder, self.run.path, dirs_exist_ok=True)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self._output.name, self._log)
        self._end()
        return Exit(code, f"exit code {code} on {self.where}", last_lines(self._log))

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._end()

    def _end(self) -> None:
        self._output.close()
        shutil.rmtree(self._folder)
        self.running = False


class RemoteBackend:
    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self._jobs: list[RemoteJob] = []
        disks = Path(suite.runs).with_name("machines")
        self._machines = [RemoteMachine(name, disks / name) for name in ("ant", "bee")]

    def prepare(self, run: PlannedRun) -> None:
        for machine in self._machines:
            machine.disk.mkdir(parents=True, exist_ok=True)

    def exclusive(self, say: Callable[[str], None]) -> AbstractContextManager[None]:
        return nullcontext()

    def estimate(self, runs: Sequence[PlannedRun], workers: int | None, *, timed: bool, anew: bool) -> Estimate:
        tasks = tasks_of(runs, self.suite, Machine(()))
        return Estimate(works_of(runs), tasks, Figures({}), 0, workers or 2, "two machines")

    def places(self, workers: int) -> list[RemoteMachine]:
        busy = [job.machine for job in self._jobs if job.running]
        return [machine for machine in self._machines[:workers] if machine not in busy]

    def start(self, run: PlannedRun, place: RemoteMachine, lock: RunLock) -> RemoteJob:
        self._jobs.append(RemoteJob(self.suite, run, place))
        return self._jobs[-1]


def stand_in_on_ray(suite: Suite, **options: Any) -> Backend[Any]:
    """Return the backend that is tested in `test_ray`; what steers the stand-in is what this process has now."""
    runs = Path(suite.runs)
    launcher = partial(stand_in_elsewhere, os.environ.get("FAKE", "{}"), str(runs / "starts.txt"))
    return on_ray(suite, launcher=launcher, **options)


# The rows of the registry with which tests train nothing.
STAND_INS: dict[str, Callable[..., Backend[Any]]] = {
    "local": partial(LocalBackend, launcher=stand_in),
    "ray": stand_in_on_ray,
    "remote": RemoteBackend,
}
