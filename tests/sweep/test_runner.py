"""Executing a suite: failures stay alone, what stops goes on, no run is done twice. Trainings are stood in for."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from bench.sweep.__main__ import main
from bench.sweep.backends.local import LocalBackend
from bench.sweep.backends.locks import lock_of
from bench.sweep.backends.machine import Machine, Slot, usable_cores
from bench.sweep.backends.tree import Launcher, Tree
from bench.sweep.progress import PlainView, TimeLeft
from bench.sweep.runner import Progress, Runner, View
from bench.sweep.states import find_failure, progress, read_state
from bench.sweep.suite import Plan, PlannedRun
from bench.util.cli import run_command
from tests.conftest import REPOSITORY
from tests.sweep.conftest import WriteSuite, expand, read_starts
from tests.sweep.stand_in import stand_in

pytestmark = pytest.mark.usefixtures("small")


class Recorded:
    """Keep what a view is told."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.most_active = 0

    def event(self, text: str) -> None:
        self.events.append(text)

    def update(self, progress: Progress) -> None:
        self.most_active = max(self.most_active, len(progress.active))


def execute(
    plan: Plan,
    behaviours: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    retry: bool = False,
    view: View | None = None,
) -> Runner:
    """Execute a plan in this process, in as many slots as the suite says (they share this machine's cores)."""
    monkeypatch.setenv("FAKE", json.dumps(behaviours))
    workers = int(plan.suite.workers)
    backend = on_slots(plan, workers)
    runner = Runner(plan.suite, plan.runs, backend, workers, view or Recorded(), retry=retry)
    runner.run()
    return runner


def on_slots(plan: Plan, slots: int, launcher: Launcher = stand_in) -> LocalBackend:
    """Return the local backend on a machine with room for so many runs, of which there may be more than cores.

    It has as many GPUs, which nothing here uses: they are locked in place of the cores.
    """
    machine = Machine(usable_cores(), tuple(map(str, range(slots))))
    return LocalBackend(plan.suite, launcher=launcher, machine=machine)


def start_driver(path: Path, *words: str, host: Path | None = None, **fake: str) -> subprocess.Popen[str]:
    """Start the command line with the stand-in; with a folder of locks of its own it is as on another host."""
    command = [sys.executable, "-m", "tests.sweep.driver", "-f", str(path), *words]
    environment = {**os.environ, "FAKE": json.dumps(fake), "PYTHONUNBUFFERED": "1"}
    environment |= {"BENCH_LOCKS": str(host)} if host else {}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, text=True, **pipes)  # type: ignore[call-overload]


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that waits for its parent to notice its end does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_every_run_is_trained_once_and_then_left_alone(
    write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = expand(write_suite(seeds=[0, 1]))
    runner = execute(plan, {}, monkeypatch)
    assert len(runner.progress.finished) == 6
    assert not runner.progress.failed
    starts = read_starts(Path(plan.suite.runs))
    assert sorted(start["run"] for start in starts) == sorted(run.label for run in plan.runs)
    assert isinstance(runner.view, Recorded)
    assert runner.view.most_active == 2
    again = execute(plan, {}, monkeypatch)
    assert len(again.progress.finished) == 6
    assert len(read_starts(Path(plan.suite.runs))) == 6


@pytest.mark.parametrize(
    ("behaviour", "reason", "line"),
    [
        ("fail", "failed", "RuntimeError: the mat1 and mat2 shapes cannot be multiplied"),
        ("nan", "the loss became nan at step 7", None),
        ("killed", "killed (SIGKILL)", None),
        ("no result", "ended without a result", None),
    ],
)
def test_a_failing_run_is_named_and_the_others_finish(
    behaviour: str, reason: str, line: str | None, write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = expand(write_suite(seeds=[0, 1]))
    runner = execute(plan, {"resnet_32": behaviour}, monkeypatch)
    assert len(runner.progress.finished) == 4
    assert [run.spec.model.name for run, _ in runner.progress.failed] == ["resnet_32"] * 2
    run, failure = runner.progress.failed[0]
    assert reason in failure.reason
    assert line is None or failure.lines[-1] == line
    assert run.label in failure.log
    assert failure.command.startswith("composer -n 1 bench/train.py -f ")
    assert read_state(plan.suite, run) == "failed"


def test_a_failed_run_is_left_alone_until_it_is_to_be_tried_again(
    write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = expand(write_suite(models=["resnet_32.yaml", "resnet_20.yaml"], workers=1))
    assert execute(plan, {"resnet_32": "fail once"}, monkeypatch).progress.failed
    left = execute(plan, {"resnet_32": "fail once"}, monkeypatch)
    assert len(left.progress.failed) == 1
    assert len(read_starts(Path(plan.suite.runs))) == 2
    tried = execute(plan, {"resnet_32": "fail once"}, monkeypatch, retry=True)
    assert not tried.progress.failed
    assert [read_state(plan.suite, run) for run in plan.runs] == ["finished"] * 2


def test_damaged_records_of_one_run_leave_the_others_alone(
    write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_suite(workers=1)
    plan = expand(path)
    failed, unreadable, _ = plan.runs
    for run, name in ((failed, "failed.json"), (unreadable, "epochs.jsonl")):
        run.path.mkdir(parents=True)
        (run.path / name).write_text("{torn\n")
    assert progress(unreadable) == (0.0, {})
    assert run_command(main, ["status", "-f", str(path)]) == 0
    assert f"{failed.path / 'failed.json'}" in capsys.readouterr().out
    view = PlainView(TimeLeft({run.name: 60.0 for run in plan.runs}, 1), print)
    runner = execute(plan, {}, monkeypatch, view=view)
    assert [run for run, _ in runner.progress.failed] == [failed]
    assert "failed.json" in runner.progress.failed[0][1].reason
    assert len(runner.progress.finished) == 2


def test_trying_again_is_done_once(write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = expand(write_suite(models=["resnet_32.yaml"]))
    for retry in (False, True):
        runner = execute(plan, {"resnet_32": "nan"}, monkeypatch, retry=retry)
        assert len(runner.progress.failed) == 1
    assert len(read_starts(Path(plan.suite.runs))) == 2


def test_a_command_that_does_not_start_is_a_failure(write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = expand(write_suite(models=["resnet_20.yaml"]))
    backend = on_slots(plan, 1, lambda *_: ["/no/such/program"])
    runner = Runner(plan.suite, plan.runs, backend, 1, Recorded())
    ((_, failure),) = runner.run().failed
    assert "cannot be started" in failure.reason
    assert find_failure(plan.suite, plan.runs[0]) == failure


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins processes to cores")
def test_each_run_is_pinned_to_the_cores_of_its_slot(write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = expand(write_suite())
    execute(plan, {}, monkeypatch)
    starts = read_starts(Path(plan.suite.runs))
    assert all(len(start["cores"]) == 1 and start["OMP_NUM_THREADS"] == "1" for start in starts)
    if len(os.sched_getaffinity(0)) > 1:
        assert starts[0]["cores"] != starts[1]["cores"]


def test_a_run_that_is_trained_by_hand_is_waited_for(write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_suite(models=["resnet_20.yaml", "resnet_32.yaml"])
    plan = expand(path)
    spec_file = path.with_name("spec.json")
    spec_file.write_text(plan.runs[0].spec.model_dump_json())
    by_hand = subprocess.Popen([*stand_in(plan.runs[0], spec_file)[:-1], "slow"])
    wait_for(lambda: (plan.runs[0].path / "run.lock").exists())
    assert read_state(plan.suite, plan.runs[0]) == "running"
    runner = execute(plan, {}, monkeypatch)
    assert by_hand.wait() == 0
    assert len(runner.progress.finished) == 2
    assert Counter(start["run"] for start in read_starts(Path(plan.suite.runs))) == {r.label: 1 for r in plan.runs}


def test_training_processes_are_stopped_through_their_launcher(write_suite: WriteSuite) -> None:
    path = write_suite(models=["resnet_20.yaml"])
    run = expand(path).runs[0]
    driver = start_driver(path, resnet_20="launcher")
    wait_for(lambda: (run.path / "epochs.jsonl").exists())
    driver.send_signal(signal.SIGTERM)
    printed, _ = driver.communicate(timeout=60)
    assert driver.returncode == 143, printed
    assert (run.path / "checkpoints" / "epoch").exists()


def test_training_processes_do_not_outlive_a_launcher_that_is_killed(write_suite: WriteSuite) -> None:
    path = write_suite(models=["resnet_20.yaml", "resnet_32.yaml"])
    plan = expand(path)
    driver = start_driver(path, resnet_20="launcher")
    wait_for(lambda: (plan.runs[0].path / "epochs.jsonl").exists())
    (start,) = (s for s in read_starts(Path(plan.suite.runs)) if s["run"] == plan.runs[0].label)
    launcher = psutil.Process(start["pid"]).ppid()
    os.kill(launcher, signal.SIGKILL)
    printed, _ = driver.communicate(timeout=60)
    assert driver.returncode == 1, printed
    assert f"FAILED {plan.runs[0].name}: killed (SIGKILL)" in printed
    assert not is_alive(start["pid"])
    assert read_state(plan.suite, plan.runs[1]) == "finished"


def test_a_killed_sweep_leaves_its_runs_to_themselves_and_the_next_waits_for_them(write_suite: WriteSuite) -> None:
    path = write_suite(models=["resnet_20.yaml", "resnet_32.yaml"])
    plan = expand(path)
    runs = Path(plan.suite.runs)
    driver = start_driver(path, resnet_20="slow")
    wait_for(lambda: len(read_starts(runs)) == 2)
    driver.kill()
    driver.communicate()
    again = start_driver(path)
    printed, _ = again.communicate(timeout=60)
    assert again.returncode == 0, printed
    assert max(Counter(start["run"] for start in read_starts(runs)).values()) == 1


def test_a_run_keeps_its_claim_when_its_sweep_is_gone(write_suite: WriteSuite, tmp_path: Path) -> None:
    run = expand(write_suite()).runs[0]
    claim, other = lock_of(run.path), lock_of(run.path)
    assert claim.acquire()
    slot = Slot(0, usable_cores()[:1], (), 1)
    tree = Tree([sys.executable, "-c", "import time; time.sleep(60)"], slot, tmp_path / "log", [claim.handle])
    claim.release()
    assert not other.acquire()
    tree.kill()
    wait_for(lambda: tree.poll() is not None)
    assert other.acquire()
    other.release()


def test_sweeps_on_two_hosts_share_the_work_and_do_nothing_twice(write_suite: WriteSuite, tmp_path: Path) -> None:
    path = write_suite(seeds=[0, 1, 2, 3], workers=1)
    plan = expand(path)
    behaviour = {"resnet_20": "held", "resnet_32": "fail"}
    drivers = [start_driver(path, host=tmp_path / name, **behaviour) for name in ("one", "other")]
    runs = Path(plan.suite.runs)
    wait_for(lambda: len(read_starts(runs)) >= 2)
    (runs / "release").touch()
    printed = [driver.communicate(timeout=120)[0] for driver in drivers]
    assert Counter(start["run"] for start in read_starts(runs)) == {run.label: 1 for run in plan.runs}
    started = [text.count(" start ") for text in printed]
    assert sum(started) == 12
    assert min(started) >= 1, "both took part"
    for driver, text in zip(drivers, printed, strict=True):
        assert driver.returncode == 1
        assert "8 finished, 4 failed" in text


def test_the_report_names_what_failed_with_its_last_lines(write_suite: WriteSuite, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("base: recipes/light_10ep.yaml\nmodel: {name: resnet_21}\n")
    path = write_suite(models=["resnet_20.yaml", "resnet_32.yaml", "bad.yaml"])
    driver = start_driver(path, resnet_32="fail")
    printed, _ = driver.communicate(timeout=60)
    assert driver.returncode == 1
    failed = expand(path).runs[1]
    report = printed[printed.index(f"FAILED {failed.name}: failed") :]
    assert "    | RuntimeError: the mat1 and mat2 shapes cannot be multiplied" in report
    assert "Did you mean 'resnet_20'?" in report
    assert report.splitlines()[-1] == "1 finished, 2 failed. Use --retry-failed to train the failed ones again."


def test_parallel_runs_get_ports_of_their_own(write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    ports: list[int] = []

    def noting(run: PlannedRun, spec_file: Path, processes: int, port: int) -> list[str]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
        ports.append(port)
        return stand_in(run, spec_file, processes, port)

    plan = expand(write_suite(seeds=[0, 1]))
    Runner(plan.suite, plan.runs, on_slots(plan, 6, noting), 6, Recorded()).run()
    assert len(set(ports)) == 6
