"""DeepSpeed trains what Composer trains, at every ZeRO stage: the same losses, records and checkpoints, bit for bit on.

The runs with several processes are those that partition anything.
"""

import re
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

from bench.engines.checkpoints import Content, newest_valid
from bench.records import CHECKPOINTS, read_run
from tests.conftest import REPOSITORY
from tests.requirements import needs
from tests.resume.runs import SMALL, compose, only_run
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


@pytest.mark.slow
@pytest.mark.parametrize("stage", [2, 3])
def test_a_killed_run_of_two_processes_goes_on_bit_for_bit(
    stage: int, whole: Whole, root: Path, tmp_path: Path
) -> None:
    killed = compose("bench/train.py", words_of_two(tmp_path, *words_at(stage)), root)
    until = time.monotonic() + 120
    while len(list(tmp_path.glob(f"*/*/{CHECKPOINTS}/*.pt"))) < 2:
        assert time.monotonic() < until
        assert killed.poll() is None
        time.sleep(0.02)
    kill(psutil.Process(killed.pid))
    assert not only_run(tmp_path).finished
    run = train_with_two(root, tmp_path, *words_at(stage))
    assert differences(final_state(whole(stage)), final_state(run)) == []
