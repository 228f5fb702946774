"""Offline W&B runs uploaded by the real client, and the same tables read back, from a stand-in on the loopback."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.analysis.metrics import wandb_row
from bench.analysis.wandb_ids import run_id
from bench.analysis.wandb_source import read_project
from bench.records import RESULT, read_runs, write_evaluation
from bench.sync import main
from bench.tables.__main__ import main as tables
from bench.util.cli import run_command
from tests.conftest import REPOSITORY
from tests.fake_runs import write_seeds
from tests.wandb_server import OnlineRun, Server, wandb_server

# Trains the small run on a data set, and kills itself before a step: argv = data root, runs folder, step.
ATTEMPT = """
import os, signal, sys
from pathlib import Path
from composer.core import Callback
from bench.config import load_spec
from bench.data.datasets import load_dataset
from tests.training import train_here

root, runs, step = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

class Kill(Callback):
    def batch_start(self, state, logger):
        if int(state.timestamp.batch) == step:
            os.kill(os.getpid(), signal.SIGKILL)

words = ["batch_size=16", "max_duration=3ep", "schedule.warmup=0ep", "precision=fp32", "threads=1", f"runs={runs}"]
spec = load_spec(Path("tests/small.yaml"), words)
train_here(spec, load_dataset("easy", root, "test"), [Kill()])
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with wandb_server() as kept:
        yield kept


@pytest.fixture(autouse=True)
def logged_in(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a home of its own, and the stand-in as its server."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)


def attempt(root: Path, runs: Path, step: int) -> int:
    """Train until before a step, or to the end, and return the exit code."""
    environment = {**os.environ, "WANDB_MODE": "offline"}
    command = [sys.executable, "-c", ATTEMPT, str(root), str(runs), str(step)]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def resumed(easy_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a runs folder with one run of three epochs that was killed in its second one and then went on, offline."""
    runs = tmp_path_factory.mktemp("resumed")
    assert attempt(easy_root, runs, 6) == -signal.SIGKILL
    assert attempt(easy_root, runs, -1) == 0
    return runs


def steps_of(run: OnlineRun) -> list[int]:
    """Return the steps of the lines of a run's history."""
    return [json.loads(line)["_step"] for line in run.history]


def tables_of(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run_command(tables, ["comparison", "training_cost", "time_to_accuracy", "--format", "csv", *words]) == 0
    return capsys.readouterr().out


@pytest.mark.slow
def test_an_interrupted_and_resumed_run_is_uploaded_with_all_its_rows(
    resumed: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    (record,) = read_runs(resumed)
    assert len(list(record.path.glob("wandb/offline-run-*"))) == 2
    words = ["--runs", str(resumed), "--entity", "team", "--project", "cifar"]
    assert run_command(main, words) == 0
    name = run_id(record.path.parent.name, record.path.name)
    assert capsys.readouterr().out.splitlines() == [
        f"{record.run_id}: uploaded: team/cifar/runs/{name}",
        "uploaded: 1",
    ]
    (online,) = read_project("team/cifar")
    assert online.finished
    assert len(record.epochs) == 3
    assert online.epochs == record.epochs
    # Once more there is nothing to do; after an evaluation all is sent again, and nothing is doubled.
    assert run_command(main, words) == 0
    assert f"{record.run_id}: uploaded before" in capsys.readouterr().out
    steps = steps_of(server.runs[name])
    write_evaluation(record.path, "calibration", {"ece": 0.125, "by": {"bin": [1, 2.5]}})
    assert run_command(main, words) == 0
    assert f"{record.run_id}: uploaded: " in capsys.readouterr().out
    assert steps_of(server.runs[name]) == steps
    (record,), (online,) = read_runs(resumed), read_project("team/cifar")
    assert online.evaluations == record.evaluations == {"calibration": {"ece": 0.125, "by": {"bin": [1, 2.5]}}}
    assert online.finished
    here = tables_of("--runs", str(resumed), capsys=capsys)
    assert tables_of("--wandb", "team/cifar", capsys=capsys) == here


@pytest.fixture
def offline(tmp_path: Path) -> Path:
    """Return a runs folder with a generated run that left an offline file, and one that logged nothing."""
    runs = write_seeds(tmp_path / "runs", ("resnet_20",), seeds=2)
    folder = read_runs(runs)[0].path / "wandb" / "offline-run-20260101_000000-x"
    folder.mkdir(parents=True)
    (folder / "run-x.wandb").write_bytes(b"torn")
    return runs


REFUSALS = {
    "no login": ({"WANDB_API_KEY": ""}, [], "there is no API key for http://127.0.0.1"),
    "not a key": ({"WANDB_API_KEY": "secret"}, [], "does not have 40 characters"),
    "wrong login": ({"WANDB_API_KEY": "w" * 40}, [], "does not accept the API key"),
    "no network": ({"WANDB_BASE_URL": "http://127.0.0.1:1"}, [], "is not available (ConnectionError)"),
    "bad entity": ({}, ["--entity", "nobody"], "has no entity 'nobody' for this account"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_missing_is_one_line_and_nothing_is_lost(
    name: str, offline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variables, words, said = REFUSALS[name]
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    before = sorted(path for path in offline.rglob("*"))
    assert run_command(main, ["--runs", str(offline), *words]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    [line] = output.err.splitlines()
    assert said in line
    assert "secret" not in line
    assert sorted(path for path in offline.rglob("*")) == before


def test_a_folder_without_runs_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(main, ["--runs", str(tmp_path)]) == 2
    assert "no runs found" in capsys.readouterr().err


def test_what_was_not_uploaded_is_said(offline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(main, ["--runs", str(offline)]) == 1
    lines = capsys.readouterr().out.splitlines()
    first, second = (record.run_id for record in read_runs(offline))
    assert lines[0].startswith(f"{first}: not uploaded: ")
    assert lines[1] == f"{second}: no offline W&B run"
    assert lines[2] == "no offline W&B run: 1; not uploaded: 1"
    assert not list(offline.rglob("*.synced"))


def test_a_project_gives_the_tables_of_its_folder(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real client lists what W&B has of generated runs: spec as config, result as summary, rows as history."""
    runs = write_seeds(tmp_path / "runs", ("resnet_20", "resnet_32", "mlp_mixer_tiny"))
    server.projects.append("generated")
    for record in read_runs(runs):
        result = json.loads((record.path / RESULT).read_text())
        config = {key: {"value": value} for key, value in result.pop("spec").items()}
        name = run_id(record.path.parent.name, record.path.name)
        settings = {"displayName": record.path.name, "groupName": record.path.parent.name, "config": json.dumps(config)}
        rows = [{"_step": row["batch"], **wandb_row(row)} for row in record.epochs]
        history = [json.dumps(row) for row in rows]
        server.runs[name] = OnlineRun("team", "generated", name, settings, json.dumps(result), history, "finished")
    here = tables_of("--runs", str(runs), capsys=capsys)
    assert here.count("resnet_20") >= 2
    assert tables_of("--wandb", "team/generated", capsys=capsys) == here
