"""`composer -n N bench/train.py`, started as a user starts it."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import train
from bench.config import load_spec
from bench.records import RunRecord, RunWriter, read_runs, run_directory
from bench.spec import RunSpec, recipe_identity
from bench.util.cli import run_command
from bench.zoo.counting.golden import read_golden
from tests.conftest import REPOSITORY, Launch
from tests.engines.cpus import AVX2, replace_cpu
from tests.nodes import kill, left_running, start_nodes
from tests.torture.compare import differences, final_state
from tests.training import read_wandb

YAML = "tests/small.yaml"
TINY = ["batch_size=60", "eval_batch_size=64"]


def arguments(runs: Path, *overrides: str) -> list[str]:
    return ["-f", YAML, *TINY, f"runs={runs}", *overrides]


def only_run(runs: Path) -> RunRecord:
    (record,) = read_runs(runs)
    return record


@pytest.fixture(scope="module")
def two_ranks(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunRecord, str]:
    """Return a run of two epochs on two ranks, and what it printed."""
    runs = tmp_path_factory.mktemp("runs")
    done = launch(2, arguments(runs, "max_duration=2ep"))
    assert done.returncode == 0, done.stdout + done.stderr
    return only_run(runs), done.stdout


@pytest.mark.slow
def test_two_ranks_leave_a_complete_run(two_ranks: tuple[RunRecord, str]) -> None:
    record, printed = two_ranks
    assert record.finished
    assert record.result is not None
    assert record.result["machine"]["world_size"] == 2
    assert [row["epoch"] for row in record.epochs] == [1, 2]
    assert {row["eval_samples"] for row in record.epochs} == {211}
    assert record.result["training"]["samples"] == 2 * 600
    plan, where, machine, *rest = printed.splitlines()
    assert plan == "resnet_20 on shapes100, seed 0: 20 steps x 60 images (2 epochs)"
    assert where.endswith(f"recorded in {record.path}")
    assert machine.startswith("precision ")
    assert "processes x threads: 2 x " in machine
    assert rest[0].startswith("step 10 of 20 | ")
    assert rest[0].endswith(" s left")
    assert "epoch 2" in printed
    assert f"top-1 {record.result['top1']:.2f}" in printed


@pytest.mark.slow
def test_the_environment_is_recorded_without_secrets(two_ranks: tuple[RunRecord, str]) -> None:
    environment = json.loads((two_ranks[0].path / "environment.json").read_text())
    assert environment["packages"]["torch"].startswith("2.7.0")
    assert environment["cores"] >= 1
    text = "".join(p.read_text(errors="replace") for p in two_ranks[0].path.rglob("*") if p.is_file())
    for name, value in os.environ.items():
        if re.search("KEY|TOKEN|SECRET|PASSWORD", name) and len(value) > 8:
            assert value not in text, name


@pytest.mark.slow
def test_the_offline_wandb_run_can_be_read_back(two_ranks: tuple[RunRecord, str]) -> None:
    record, _ = two_ranks
    config, history, summary = read_wandb(record.path)
    assert config["model"] == dict(record.spec["model"])
    assert config["optimizer"]["lr"] == record.spec["optimizer"]["lr"]
    assert record.result is not None
    assert summary["top1"] == record.result["top1"]
    measured = [row["eval/top1"] for row in history if "eval/top1" in row]
    assert measured == [row["eval_top1"] for row in record.epochs]
    # What is logged at every step is sampled, and not lost.
    sampled = [row["time/batch"] for row in history if "time/batch" in row]
    assert 1 < len(sampled) < record.result["training"]["steps"]


@pytest.mark.slow
def test_starting_a_finished_run_does_nothing(two_ranks: tuple[RunRecord, str], launch: Launch) -> None:
    record, _ = two_ranks
    before = {p: p.stat().st_mtime_ns for p in record.path.rglob("*")}
    done = launch(2, arguments(record.path.parent.parent, "max_duration=2ep"))
    assert done.returncode == 0
    assert "has finished already" in done.stdout
    assert {p: p.stat().st_mtime_ns for p in record.path.rglob("*")} == before


@pytest.mark.slow
def test_two_nodes_are_a_run_of_two_processes_on_one(
    two_ranks: tuple[RunRecord, str], small_data: Path, tmp_path: Path
) -> None:
    """Each has its own runs folder. Node 1 is killed; both are started again, go on, and end bit for bit as `-n 2`."""
    assert two_ranks[0].result is not None
    threads = two_ranks[0].result["machine"]["threads"]
    changes = ["max_duration=2ep", "checkpoint.interval=1ba", f"threads={threads}"]
    words = [["bench/train.py", *arguments(tmp_path / node, *changes)] for node in "01"]
    environment = {"BENCH_DATA": str(small_data), "WANDB_MODE": "offline"}
    with start_nodes(*words, **environment) as (zero, one):
        while not list(tmp_path.glob("0/*/*/checkpoints/*.pt")) and zero.poll() is None:
            time.sleep(0.02)
        kill(one)
        printed, _ = zero.communicate(timeout=60)
        assert zero.returncode == 1, printed
        assert "process 1 of the run failed:\nit was lost with the whole of node 1" in printed
        assert "Run the same command again to resume." in printed
        assert not left_running(zero)
        assert not left_running(one)
    with start_nodes(*words, **environment) as nodes:
        (said, _), (shown, _) = (node.communicate(timeout=240) for node in nodes)
        assert [node.returncode for node in nodes] == [0, 0], said + shown
    assert "resuming after" in said
    record = only_run(tmp_path / "0")
    assert shown == f"node 1: process 1 of 2; node 0 shows the progress and records the run in {record.path}\n"
    assert not (tmp_path / "1").exists()
    one_node, two_nodes = (final_state(path) for path in (two_ranks[0].path, record.path))
    assert two_nodes["result"]["machine"].pop("nodes") == 2
    for state in (one_node, two_nodes):
        state["result"]["spec"] = recipe_identity(RunSpec(**state["result"]["spec"]))
    assert differences(one_node, two_nodes) == []


@pytest.mark.slow
def test_three_ranks_evaluate_every_image_once(launch: Launch, tmp_path: Path) -> None:
    done = launch(3, arguments(tmp_path, "max_duration=2ba", "threads=1"))
    assert done.returncode == 0, done.stdout + done.stderr
    result = only_run(tmp_path).result
    assert result is not None
    assert result["evaluated_samples"] == 211


@pytest.mark.slow
def test_the_number_of_processes_changes_nothing_else(launch: Launch, tmp_path: Path) -> None:
    """A network without batch statistics learns the same from the same global batch on one rank and on two."""
    change = [
        "batch_size=20",
        "model.name=mlp_mixer_tiny",
        "precision=fp32",
        "optimizer.lr=0.01",
        "max_duration=10ba",
        "schedule.warmup=0ep",
    ]
    results = []
    for ranks in (1, 2):
        done = launch(ranks, arguments(tmp_path / str(ranks), *change))
        assert done.returncode == 0, done.stdout + done.stderr
        results.append(only_run(tmp_path / str(ranks)))
    one, two = (record.epochs[-1] for record in results)
    assert one["train_loss"] == pytest.approx(two["train_loss"], rel=1e-4)
    assert one["eval_loss"] == pytest.approx(two["eval_loss"], rel=1e-4)
    assert one["samples"] == two["samples"]
    costs = {record.result["training"]["flops"] for record in results if record.result}
    assert costs == {3 * 2 * read_golden()["mlp_mixer_tiny"].macs * one["samples"]}


@pytest.mark.slow
def test_bad_input_reaches_the_shell_as_exit_code_two(launch: Launch, tmp_path: Path) -> None:
    done = launch(2, arguments(tmp_path, "optimizer.lrr=1"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Did you mean 'lr'?" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not any(tmp_path.iterdir())


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run the entry point in this process, expect exit code 2, and return the message."""
    assert run_command(train.main, list(words)) == 2
    return capsys.readouterr().err


BAD = [
    ("modle.name=resnet_20", "Did you mean 'model'?"),
    ("optimizer.lr=-1", "greater than 0"),
    ("model.name=resnet_2O", "Did you mean 'resnet_20'?"),
    ("data.name=shapes10", "Did you mean 'shapes100'?"),
    ("algorithms.mixpu={}", "Did you mean 'mixup'?"),
    ("precision=amp_fp16", "precision=auto"),
    ("device=gpu", "device=cpu"),
    ("batch_size=1000", "larger than the training split"),
    ("algorithms.ghost_batchnorm={ghost_batch_size: 64}", "use at most 60"),
    ("experiment=../elsewhere", "experiment"),
]


@pytest.mark.parametrize(("override", "words"), BAD, ids=[override for override, _ in BAD])
def test_bad_input_writes_nothing(
    override: str,
    words: str,
    bench_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = tmp_path / "runs"
    message = refused(capsys, *arguments(runs, override))
    assert message.startswith("error: ")
    assert words in message
    assert not runs.exists()


def test_mixed_precision_is_refused_where_there_is_none(
    bench_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_cpu(monkeypatch, AVX2)
    message = refused(capsys, *arguments(tmp_path / "runs", "precision=amp", "device=cpu"))
    assert "key 'precision': 'amp': this machine has no fast mixed precision (CPU with AVX2)" in message
    assert not (tmp_path / "runs").exists()


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Did you mean 'yamls/quickstart.yaml'?" in refused(capsys, "-f", "yamls/quickstrat.yaml")


def test_a_world_that_does_not_divide_the_batch_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "7")
    assert "60 cannot be divided over 7 processes" in refused(capsys, *arguments(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_a_second_process_on_the_same_run_is_refused(
    bench_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = load_spec(YAML, [*TINY, f"runs={tmp_path}"])
    holder = RunWriter(run_directory(spec))
    holder.claim(spec, {})
    assert "another process" in refused(capsys, *arguments(tmp_path))
    holder.release()


def test_missing_cifar100_says_the_three_ways_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    message = refused(capsys, *arguments(tmp_path / "runs", "data.name=cifar100"))
    for way in ("python -m bench.data cifar100", "BENCH_DATA", "data.name=shapes100"):
        assert way in message


def test_reading_a_spec_needs_neither_torch_nor_composer() -> None:
    modules = "bench.config, bench.records, bench.engines.results"
    code = f"import sys, {modules}; print([m for m in ('torch', 'composer') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
