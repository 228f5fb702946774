"""Sweeps on a Ray cluster whose nodes share no disk keep what every backend promises, also when a node is lost."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from bench.records import LOCK, WEIGHTS, RunRecord, read_run, read_runs
from bench.sweep.__main__ import main
from bench.sweep.backends.machine import usable_cores
from bench.sweep.backends.registry import BACKENDS
from bench.sweep.states import log_path, read_state
from bench.sweep.suite import Plan, PlannedRun
from bench.util.cli import run_command
from tests.conftest import REPOSITORY
from tests.requirements import needs
from tests.sweep.backends.ray_cluster import Nodes, two_nodes
from tests.sweep.backends.remote import STAND_INS
from tests.sweep.conftest import WriteSuite, expand, read_starts
from tests.sweep.test_runner import start_driver, wait_for

pytestmark = [pytest.mark.slow, needs("ray")]
CORES = len(usable_cores())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, small_data: Path, easy_root: Path) -> Iterator[Nodes]:
    data = [small_data / "shapes100", easy_root / "easy"]
    with two_nodes(tmp_path_factory.mktemp("cluster"), data) as nodes:
        yield nodes


@pytest.fixture
def nodes(cluster: Nodes, small: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """Give the cluster, on which the stand-in trains, and check that no process and no file is left on it."""
    import ray

    cluster.restore()
    for name, make in STAND_INS.items():
        monkeypatch.setitem(BACKENDS, name, make)
    yield cluster
    ray.shutdown()
    wait_for(lambda: not cluster.processes())


def on(nodes: Nodes) -> list[str]:
    return ["--backend", "ray", "--address", nodes.address, "--fetch-every", "0"]


def starts(plan: Plan) -> Counter[str]:
    """Return how often each run was started."""
    return Counter(str(start["run"]) for start in read_starts(Path(plan.suite.runs)))


def comparable(record: RunRecord) -> dict[str, Any]:
    """Return a record without times and machine, of which the threads are a part; the suites have their own folders."""
    assert record.result is not None
    left_out = ("seconds", "images_per_second", "machine")
    result = {key: value for key, value in record.result.items() if key not in left_out}
    rows = [{key: value for key, value in row.items() if not key.endswith("_seconds")} for row in record.epochs]
    return {**result, "spec": {**record.result["spec"], "threads": None, "runs": None}, "rows": rows}


def files(record: RunRecord) -> set[str]:
    """Return the names of a run's files; the lock is left by the process that trained it."""
    found = {path.relative_to(record.path).as_posix() for path in record.path.rglob("*") if path.is_file()}
    return found - {LOCK}


def sweep(plan: Plan, words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> list[RunRecord]:
    """Train a suite of which two runs fail at first, start it again, then with --retry-failed; return its records."""
    failed = {run.label for run in plan.runs if run.spec.model.name == "resnet_32"}
    capsys.readouterr()
    assert run_command(main, words) == 1
    printed = capsys.readouterr().out
    assert "4 finished, 2 failed." in printed
    assert printed.count("    | RuntimeError: the mat1 and mat2 shapes cannot be multiplied") == 2
    assert [read_state(plan.suite, run) for run in plan.runs] == ["finished", "failed", "finished"] * 2
    assert run_command(main, words) == 1
    assert starts(plan) == {run.label: 1 for run in plan.runs}
    assert run_command(main, [*words, "--retry-failed"]) == 0
    assert starts(plan) == {run.label: 2 if run.label in failed else 1 for run in plan.runs}
    return read_runs(Path(plan.suite.runs))


def test_six_runs_leave_the_records_of_the_local_backend(
    nodes: Nodes,
    write_suite: WriteSuite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FAKE", json.dumps({"resnet_32": "fail once"}))
    path = write_suite(seeds=[0, 1], workers=min(2, CORES))
    here, there = tmp_path / "here", tmp_path / "there"
    on_this_machine = sweep(expand(path, f"runs={here}"), ["-f", str(path), f"runs={here}"], capsys)
    on_ray = sweep(expand(path, f"runs={there}"), ["-f", str(path), *on(nodes), f"runs={there}"], capsys)
    assert len(on_ray) == 6
    assert list(map(comparable, on_ray)) == list(map(comparable, on_this_machine))
    assert list(map(files, on_ray)) == list(map(files, on_this_machine))
    for record in on_ray:
        assert record.result is not None
        assert record.result["spec"]["runs"] == yaml.safe_load((record.path / "spec.yaml").read_text())["runs"]
        assert record.spec["runs"] == str(there)
        assert f"{CORES} cores" in record.result["machine"]["kind"]
    assert {len(start["cores"]) for start in read_starts(there)} == {1}, "each run has a core of its own"
    assert not nodes.find("*"), "nothing of a run is left on a node"


def test_a_sweep_that_ends_takes_its_runs_with_it_and_the_next_does_what_is_missing(
    nodes: Nodes, write_suite: WriteSuite
) -> None:
    path = write_suite()
    plan = expand(path)
    first, *others = plan.runs

    def begin(attempt: int) -> subprocess.Popen[str]:
        """Start the sweep, and wait until the others have been started anew and have their checkpoint here."""
        driver = start_driver(path, *on(nodes), resnet_32="waiting", ghost_resnet_20="waiting")
        wait_for(lambda: all(starts(plan)[run.label] == attempt and epochs_saved(run) == 3 for run in others))
        return driver

    driver = begin(1)
    driver.send_signal(signal.SIGINT)
    printed, _ = driver.communicate(timeout=60)
    assert driver.returncode == 130, printed
    assert "1 finished, 0 failed, 2 not finished. Run the same command again to resume." in printed
    assert [read_state(plan.suite, run) for run in plan.runs] == ["finished", "interrupted", "interrupted"]
    assert not nodes.processes()
    driver = begin(2)
    assert len(nodes.processes()) == 2
    driver.kill()
    driver.communicate()
    wait_for(lambda: not nodes.processes())
    driver = start_driver(path, *on(nodes))
    printed, _ = driver.communicate(timeout=60)
    assert driver.returncode == 0, printed
    assert printed.count("(resumed)") == 2
    assert "3 finished, 0 failed." in printed
    assert starts(plan) == {first.label: 1, **{run.label: 3 for run in others}}
    for run in plan.runs:
        assert [row["epoch"] for row in read_run(run.path).epochs] == [1, 2, 3, 4]
    assert not nodes.find("*"), "what killed workers have left on a node is deleted by the next run there"


def epochs_saved(run: PlannedRun) -> int:
    """Return after how many epochs the stand-in's checkpoint that is here was written."""
    path = run.path / "checkpoints" / "epoch"
    return int(path.read_text()) if path.exists() else 0


def test_a_run_that_ends_its_worker_each_time_fails_and_the_others_finish(
    nodes: Nodes, write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_suite(models=["resnet_20.yaml", "resnet_32.yaml"])
    plan = expand(path)
    monkeypatch.setenv("FAKE", json.dumps({"resnet_20": "lethal"}))
    assert run_command(main, ["-f", str(path), *on(nodes)]) == 1
    assert [read_state(plan.suite, run) for run in plan.runs] == ["failed", "finished"]
    assert starts(plan) == {plan.runs[0].label: 3, plan.runs[1].label: 1}


def test_runs_for_timing_have_a_node_each_and_its_kind_in_the_record(nodes: Nodes, write_suite: WriteSuite) -> None:
    path = write_suite(models=["resnet_20.yaml"], timing=True, workers=None)
    assert run_command(main, ["-f", str(path), *on(nodes)]) == 0
    records = read_runs(Path(expand(path).suite.runs))
    assert [record.path.parent.name for record in records] == ["trial", "trial-aa1", "trial-aa2"]
    (kind,) = {str((record.result or {})["machine"]["kind"]) for record in records}
    assert f" · {CORES} cores" in kind
    assert {tuple(start["cores"]) for start in read_starts(Path(expand(path).suite.runs))} == {usable_cores()}


def test_a_data_set_that_a_node_lacks_is_named_with_the_node(
    nodes: Nodes,
    write_suite: WriteSuite,
    easy_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine").symlink_to(easy_root / "easy")
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    path = write_suite(models=["resnet_20.yaml"])
    assert run_command(main, ["-f", str(path), *on(nodes), "data.name=mine"]) == 2
    told = capsys.readouterr().err
    assert "node " in told
    assert "unknown data set 'mine'" in told
    assert "Put your own data into" in told
    assert str(nodes.folder) in told


def test_a_training_whose_node_is_lost_ends_elsewhere_as_if_it_had_not_been(
    nodes: Nodes, easy_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {
        "name": "real",
        "models": ["resnet_20.yaml"],
        "recipes": ["recipes/light_10ep.yaml"],
        "workers": CORES,
        "overrides": {
            "max_duration": "8ep",
            "batch_size": 16,
            "data": {"name": "easy"},
            "schedule": {"warmup": "0ep"},
            "device": "cpu",
            "wandb": {"enabled": False},
        },
    }
    path = tmp_path / "real.yaml"
    path.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("BENCH_DATA", str(easy_root))
    there = expand(path, f"runs={tmp_path / 'there'}", "workers=2")
    command = [sys.executable, "-m", "bench.sweep", "-f", str(path)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "cwd": REPOSITORY}
    driver = subprocess.Popen([*command, *on(nodes), f"runs={tmp_path / 'there'}", "workers=2"], **pipes)
    wait_for(lambda: nodes.find("checkpoints/*.pt"), 120)
    # The training is held in its middle until its checkpoint has come back.
    trained = nodes.processes()
    assert len(trained) == 2, "the launcher and the process that trains"
    for process in trained:
        process.suspend()
    (run,) = there.runs
    wait_for(lambda: list(run.path.glob("checkpoints/*.pt")))
    nodes.lose(nodes.find("checkpoints/*.pt")[0])
    wait_for(lambda: not any(process.is_running() for process in trained))
    printed, _ = driver.communicate(timeout=300)
    assert driver.returncode == 0, printed
    assert "1 finished, 0 failed." in printed
    log = log_path(there.suite, run).read_text()
    assert log.count(" was lost (") == 1
    assert "resum" in log.partition(" was lost (")[2]
    done = subprocess.run([*command, f"runs={tmp_path / 'here'}"], **pipes, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
    (found,), (expected,) = read_runs(tmp_path / "there"), read_runs(tmp_path / "here")
    assert comparable(found) == comparable(expected)
    assert files(found) == files(expected)
    weights, expected_weights = (load_file(record.path / WEIGHTS) for record in (found, expected))
    assert weights.keys() == expected_weights.keys()
    assert all(np.array_equal(weights[name], expected_weights[name]) for name in weights)
    assert found.epochs[-1]["epoch"] == 8
