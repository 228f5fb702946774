"""What a sweep promises it keeps on every backend, also on one whose machines do not see the runs folder."""

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from bench.records import read_runs
from bench.sweep.__main__ import main
from bench.sweep.backends.registry import BACKENDS
from bench.sweep.states import read_state
from bench.sweep.suite import Plan
from bench.util.cli import run_command
from tests.sweep.backends.remote import STAND_INS
from tests.sweep.conftest import WriteSuite, expand, read_starts
from tests.sweep.test_runner import is_alive, start_driver, wait_for

pytestmark = pytest.mark.usefixtures("small")
# What is promised on Ray is tested in `test_ray`, on a cluster that its tests share.
every_backend = pytest.mark.parametrize("backend", sorted(set(STAND_INS) - {"ray"}))


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, make in STAND_INS.items():
        monkeypatch.setitem(BACKENDS, name, make)


def all_starts(plan: Plan) -> list[dict[str, object]]:
    """Return every start of the stand-in, on this machine and the toy backend's."""
    folders = [Path(plan.suite.runs), *Path(plan.suite.runs).parent.glob("machines/*/runs")]
    return [start for folder in folders for start in read_starts(folder)]


def pids(plan: Plan) -> list[int]:
    return [int(str(start["pid"])) for start in all_starts(plan)]


def test_every_backend_is_tested() -> None:
    assert set(BACKENDS) == set(STAND_INS)


@every_backend
def test_a_suite_is_trained_once_a_failed_run_is_left_alone_until_it_is_retried(
    backend: str, write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_suite(seeds=[0, 1])
    plan = expand(path)
    monkeypatch.setenv("FAKE", json.dumps({"resnet_32": "fail once"}))
    words = ["-f", str(path), "--backend", backend]
    assert run_command(main, words) == 1
    printed = capsys.readouterr().out
    failed = [run for run in plan.runs if run.spec.model.name == "resnet_32"]
    for run in failed:
        report = printed[printed.index(f"FAILED {run.name}: ") :]
        assert "    | RuntimeError: the mat1 and mat2 shapes cannot be multiplied" in report
        assert "alone: composer -n 1 bench/train.py -f " in report
        assert "the mat1 and mat2" in (plan.suite.folder / "logs" / f"{run.name.replace('/', '.')}.txt").read_text()
    assert "4 finished, 2 failed." in printed
    assert [read_state(plan.suite, run) for run in plan.runs] == ["finished", "failed", "finished"] * 2
    assert run_command(main, words) == 1
    assert Counter(start["run"] for start in all_starts(plan)) == {run.label: 1 for run in plan.runs}
    assert run_command(main, [*words, "--retry-failed"]) == 0
    again = {run.label: 2 if run in failed else 1 for run in plan.runs}
    assert Counter(start["run"] for start in all_starts(plan)) == again
    records = read_runs(Path(plan.suite.runs))
    assert sorted(record.path for record in records) == sorted(run.path for run in plan.runs)
    for run, record in zip(sorted(plan.runs, key=lambda run: run.path), records, strict=True):
        assert record.result is not None
        spec = record.result["spec"]
        assert {**spec, "runs": None, "threads": None} == {
            **run.spec.model_dump(mode="json"),
            "runs": None,
            "threads": None,
        }
        assert [row["epoch"] for row in record.epochs] == [1, 2, 3, 4]


@every_backend
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_cleanly_and_the_same_command_goes_on(
    number: signal.Signals, backend: str, write_suite: WriteSuite
) -> None:
    path = write_suite(seeds=[0, 1])
    plan = expand(path)
    driver = start_driver(path, "--backend", backend, resnet_20="slow", resnet_32="slow", ghost_resnet_20="slow")
    wait_for(lambda: all((run.path / "epochs.jsonl").exists() for run in plan.runs[:2]))
    assert [read_state(plan.suite, run) for run in plan.runs] == ["running"] * 2 + ["waiting"] * 4
    driver.send_signal(number)
    printed, _ = driver.communicate(timeout=60)
    assert driver.returncode == 128 + number, printed
    assert all(f"{number.name}: stopping {run.label} with a checkpoint" in printed for run in plan.runs[:2])
    assert "0 finished, 0 failed, 6 not finished. Run the same command again to resume." in printed
    assert not [pid for pid in pids(plan) if is_alive(pid)]
    assert [read_state(plan.suite, run) for run in plan.runs] == ["interrupted"] * 2 + ["waiting"] * 4
    driver = start_driver(path, "--backend", backend)
    printed, _ = driver.communicate(timeout=60)
    assert driver.returncode == 0, printed
    assert printed.count("(resumed)") == 2
    assert "6 finished, 0 failed." in printed
    for run in plan.runs:
        epochs = [json.loads(line)["epoch"] for line in (run.path / "epochs.jsonl").read_text().splitlines()]
        assert epochs == [1, 2, 3, 4], "what was interrupted goes on where it was"


@every_backend
def test_a_second_interrupt_kills_at_once(backend: str, write_suite: WriteSuite) -> None:
    path = write_suite(models=["resnet_20.yaml"])
    plan = expand(path)
    driver = start_driver(path, "--backend", backend, resnet_20="slow")
    wait_for(lambda: bool(pids(plan)))
    (pid,) = pids(plan)
    os.kill(pid, signal.SIGSTOP)
    driver.send_signal(signal.SIGINT)
    time.sleep(1)
    driver.send_signal(signal.SIGINT)
    driver.communicate(timeout=60)
    wait_for(lambda: not is_alive(pid))
    assert driver.returncode == 1
    assert read_state(plan.suite, plan.runs[0]) in ("waiting", "interrupted"), "it has not failed, and can be resumed"


def test_the_dry_run_says_what_a_backend_without_measurements_knows(
    write_suite: WriteSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_suite()
    assert run_command(main, ["-f", str(path), "--backend", "remote", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "workers: 2 (two machines)" in printed
    assert "estimated time: unknown, since the speed of these runs has not been measured" in printed
    assert not Path(expand(path).suite.runs).exists()


def test_an_unknown_backend_is_refused_before_anything_is_written(
    write_suite: WriteSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_suite()
    assert run_command(main, ["-f", str(path), "--backend", "locale"]) == 2
    assert "unknown backend 'locale'. Did you mean 'local'?" in capsys.readouterr().err
    assert not Path(expand(path).suite.runs).exists()
