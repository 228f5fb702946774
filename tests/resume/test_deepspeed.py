"""DeepSpeed trains what Composer trains, at every ZeRO stage: the same losses, records and checkpoints, bit for bit on.

The runs with several processes are those that partition anything.
"""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import psutil
import pytest
import torch

from bench import train
from bench.data.datasets import Dataset
from bench.engines.checkpoints import Content, newest_valid
from bench.evaluate.trained import load_trained, predict
from bench.records import CHECKPOINTS, read_run
from bench.util.cli import OK, run_command
from bench.util.errors import BadInput
from tests.conftest import REPOSITORY
from tests.requirements import needs
from tests.resume.runs import SMALL, compose, only_run, start
from tests.torture.compare import differences, final_state

pytestmark = [
    needs("deepspeed"),
    pytest.mark.filterwarnings("ignore"),
]
STAGES = range(4)


@pytest.mark.slow
def test_runs_that_were_stopped_end_as_ones_that_were_not() -> None:
    """In a process of their own, since DeepSpeed leaves a process group and functions of torch changed."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/resume/deepspeed_alone.py"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\[100%\]", done.stdout)


def words_of_two(runs: Path, *words: str) -> list[str]:
    return ["-f", "tests/small.yaml", *SMALL, "precision=fp32", f"runs={runs}", *words]


def train_with_two(data: Path, runs: Path, *words: str) -> Path:
    """Train with two processes and return the run's folder."""
    process = compose("bench/train.py", words_of_two(runs, *words), data)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return only_run(runs).path


def last_checkpoint(run: Path) -> Content:
    return newest_valid(run / CHECKPOINTS, lambda content: None).content


Whole = Callable[[int | None], Path]


@pytest.fixture(scope="module")
def whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Return a function that returns a finished run of two processes at a ZeRO stage, without one by Composer alone."""
    return cache(lambda stage: train_with_two(root, tmp_path_factory.mktemp("whole"), *words_at(stage)))


def words_at(stage: int | None) -> list[str]:
    words = [] if stage is None else ["engine=deepspeed", f"deepspeed.zero_stage={stage}"]
    return [*words, "checkpoint={interval: 1ba, keep: 3}"]


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_two_processes_train_as_composer_alone(stage: int, whole: Whole) -> None:
    run, ddp = whole(stage), whole(None)
    ours, theirs = read_run(run), read_run(ddp)
    for mine, other in zip(ours.epochs, theirs.epochs, strict=True):
        for name in ("train_loss", "eval_loss"):
            assert mine[name] == pytest.approx(other[name], rel=1e-3)
        assert mine["eval_samples"] == other["eval_samples"] == 100
    assert ours.result is not None
    assert theirs.result is not None
    assert ours.result["training"] == theirs.result["training"]
    mine, other = last_checkpoint(run), last_checkpoint(ddp)
    assert list(mine) == list(other)
    for name, value in other["model"].items():
        torch.testing.assert_close(mine["model"][name], value, rtol=1e-3, atol=1e-4)
    (own,), (plain,) = mine["optimizers"], other["optimizers"]
    assert own["param_groups"] == plain["param_groups"]
    assert list(own["state"]) == list(plain["state"])
    for number, state in plain["state"].items():
        for name, value in state.items():
            torch.testing.assert_close(own["state"][number][name], value, rtol=1e-2, atol=1e-3)


def kill(process: psutil.Process) -> None:
    """Kill a launcher and its processes with SIGKILL, and wait for them."""
    everyone = [process, *process.children(recursive=True)]
    for member in everyone:
        member.send_signal(signal.SIGKILL)
    psutil.wait_procs(everyone, timeout=30)


Killed = Callable[[int], Path]


@pytest.fixture(scope="module")
def killed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """Return a function that returns the runs folder of a run of two processes at a ZeRO stage, killed in mid-run."""

    def train_and_kill(stage: int) -> Path:
        """Kill every process of the run once it has saved two checkpoints."""
        runs = tmp_path_factory.mktemp("killed")
        process = compose("bench/train.py", words_of_two(runs, *words_at(stage)), root)
        until = time.monotonic() + 120
        while len(list(runs.glob(f"*/*/{CHECKPOINTS}/*.pt"))) < 2:
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.02)
        kill(psutil.Process(process.pid))
        assert not only_run(runs).finished
        return runs

    return cache(train_and_kill)


@pytest.mark.slow
@pytest.mark.parametrize("stage", [2, 3])
def test_a_killed_run_of_two_processes_goes_on_bit_for_bit(
    stage: int, whole: Whole, killed: Killed, root: Path, tmp_path: Path
) -> None:
    shutil.copytree(killed(stage), tmp_path, dirs_exist_ok=True)
    run = train_with_two(root, tmp_path, *words_at(stage))
    assert differences(final_state(whole(stage)), final_state(run)) == []


@pytest.mark.slow
def test_a_run_that_zero_3_began_is_evaluated_and_ended_by_composer_on_one_process(
    whole: Whole, killed: Killed, dataset: Dataset, bench_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checkpoint is that of any run; going on otherwise is refused without --allow-change, and recorded with it."""
    result = read_run(whole(3)).result
    assert result is not None
    evaluated = predict(load_trained(whole(3), data_root=bench_data)).accuracy
    assert evaluated["samples"] == result["evaluated_samples"] == 100
    assert evaluated["top1"] == result["top1"]
    assert evaluated["loss"] == pytest.approx(result["loss"], rel=1e-5)

    shutil.copytree(killed(3), tmp_path, dirs_exist_ok=True)
    words = ["precision=fp32", "checkpoint={interval: 1ba, keep: 3}"]
    with pytest.raises(BadInput, match=r"by 2 processes, not 1.*or go on all the same with --allow-change"):
        start(dataset, tmp_path, *words)
    saved = last_checkpoint(only_run(tmp_path).path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    command = [*words_of_two(tmp_path, *words), "--allow-change"]
    assert run_command(train.main, command) == OK
    run = only_run(tmp_path)
    assert run.finished
    assert run.changes == [
        {
            "step": saved["timestamp"]["batch"],
            "before": {"engine": "deepspeed", "world_size": 2, "batch_parts": 2},
            "after": {"engine": "composer", "world_size": 1, "batch_parts": 1},
        }
    ]
    assert last_checkpoint(run.path)["changes"] == run.changes
    assert run.epochs[-1]["batch"] == 8
    assert run.epochs[-1]["eval_samples"] == 100


@pytest.mark.slow
def test_a_large_network_with_adamw_trains_as_by_composer_alone(root: Path, tmp_path: Path) -> None:
    """convnext_tiny: no BatchNorm, 28 million parameters, parts of which lie in both partitions."""
    words = ["model.name=convnext_tiny", "optimizer={name: adamw, lr: 4e-4, weight_decay: 0.05}", "batch_size=16"]
    words += ["max_duration=4ba", "schedule.warmup=1ba", "eval_interval=2ba"]
    ours = read_run(train_with_two(root, tmp_path / "zero", *words, "engine=deepspeed", "deepspeed.zero_stage=2"))
    theirs = read_run(train_with_two(root, tmp_path / "ddp", *words))
    assert [row["batch"] for row in ours.epochs] == [2, 4]
    for mine, other in zip(ours.epochs, theirs.epochs, strict=True):
        for name in ("train_loss", "eval_loss"):
            assert mine[name] == pytest.approx(other[name], rel=1e-3)
        assert mine["eval_samples"] == other["eval_samples"] == 100
