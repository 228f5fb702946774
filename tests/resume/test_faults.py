"""What goes wrong around a run, NaN, a full disk, a signal, a dead process, is said clearly and loses nothing."""

import errno
import functools
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import bench.data.loader as loader
from bench import train
from bench.data.datasets import Dataset
from bench.engines import metrics
from bench.engines.callbacks.checkpoint import CheckpointCallback
from bench.engines.checkpoints import list_checkpoints
from bench.engines.clock import start_clock
from bench.engines.stopping import Diverged, Interrupted
from bench.records import CHECKPOINTS, FAILED
from bench.util.cli import run_command
from tests.conftest import REPOSITORY
from tests.resume.runs import SMALL, At, compose, only_run, signalled, start
from tests.torture.compare import differences, final_state


def test_a_loss_that_is_no_number_stops_the_run(
    bench_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = ["optimizer.lr=1e18", "schedule.warmup=0ep", "precision=fp32", "checkpoint.interval=1ba"]
    words = ["-f", "tests/small.yaml", *SMALL, f"runs={tmp_path}", *overrides]
    assert run_command(train.main, words) == 1
    message = capsys.readouterr().err
    record = only_run(tmp_path)
    assert record.failure is not None
    step = record.failure["step"]
    assert f"at step {step} (epoch 1, learning rate " in message
    assert not record.finished
    last = list_checkpoints(record.path / "checkpoints")
    assert record.failure["checkpoint"] == (str(last[0]) if last else None)
    assert all(torch.isfinite(w).all() for p in last for w in torch.load(p)["model"].values())
    assert run_command(train.main, words) == 1
    assert f"delete {record.path}/{FAILED}" in capsys.readouterr().err
    (record.path / FAILED).unlink()
    assert run_command(train.main, words) == 1
    assert (only_run(tmp_path).failure or {})["step"] == step


def test_a_loss_that_becomes_nan_is_told_with_step_rate_and_checkpoint(
    dataset: Dataset, tmp_path: Path, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The images of the sixth step are NaN."""
    layout = loader.layout
    spoil: list[bool] = []
    monkeypatch.setattr(loader, "layout", lambda images, last: layout(images * float("nan") if spoil else images, last))
    at[5] = lambda: spoil.append(True)
    with pytest.raises(Diverged, match="the loss became nan at step 6 ") as error:
        start(dataset, tmp_path)
    assert error.value.lr == pytest.approx(0.1)
    record = only_run(tmp_path)
    assert record.failure is not None
    assert record.failure["checkpoint"].endswith("ep000001-ba0000000004.pt")
    assert [row["epoch"] for row in record.epochs] == [1]


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_an_evaluation_loss_that_is_no_number_is_told_as_a_failure(
    loss: float, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "cross_entropy", lambda outputs, labels: torch.tensor(loss))
    with pytest.raises(Diverged, match=f"the evaluation loss became {loss} at step 4 "):
        start(dataset, tmp_path, "checkpoint.interval=3ba")
    failure = only_run(tmp_path).failure or {}
    assert (failure["step"], failure["epoch"], failure["loss"]) == (4, 1, str(loss))
    assert failure["lr"] > 0
    assert failure["checkpoint"].endswith("ep000000-ba0000000003.pt")


def test_a_process_whose_weights_are_finite_stops_with_the_one_whose_are_not(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in for another rank says that its own are not."""
    asked: list[tuple[int, ...]] = []

    def agree(saver: CheckpointCallback, state: Any, *values: int) -> list[int]:
        asked.append(values)
        return [1] if values == (False,) else [int(value) for value in values]

    monkeypatch.setattr(CheckpointCallback, "_agree", agree)
    with pytest.raises(Diverged, match="a weight became NaN or infinite at step 3 "):
        start(dataset, tmp_path, "checkpoint.interval=3ba")
    assert asked[-1] == (False,)
    assert not list((only_run(tmp_path).path / CHECKPOINTS).glob("*"))


def goes_on_as_if_uninterrupted(words: list[str], folder: Path) -> bool:
    """Tell whether the run below `parts`, where the last word puts it, ends as one that is trained without a stop."""
    assert run_command(train.main, words) == 0
    assert run_command(train.main, [*words[:-1], f"runs={folder / 'whole'}"]) == 0
    parts, whole = (final_state(only_run(folder / name).path) for name in ("parts", "whole"))
    return not differences(parts, whole)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("file", ["epochs.jsonl", "ep000001-ba0000000004.pt"])
def test_a_disk_that_fills_up_stops_the_run_and_spoils_nothing(
    code: int,
    file: str,
    bench_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["-f", "tests/small.yaml", *SMALL, "checkpoint.interval=3ba", f"runs={tmp_path / 'parts'}"]
    words[-2] = "checkpoint.interval=1ep" if file.endswith("pt") else "checkpoint.interval=3ba"
    fsync = os.fsync

    def full(handle: int) -> None:
        if file in str(Path(f"/proc/self/fd/{handle}").readlink()):
            raise OSError(code, os.strerror(code))
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert run_command(train.main, words) == 1
    message = capsys.readouterr().err
    assert os.strerror(code) in message
    assert "Run the same command again to resume." in message
    assert "Traceback" not in message
    assert goes_on_as_if_uninterrupted(words, tmp_path)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_before_the_first_step_leaves_a_run_that_goes_on(
    number: int,
    code: int,
    bench_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    words = ["-f", "tests/small.yaml", *SMALL, f"runs={tmp_path / 'parts'}"]

    def clock_and_signal(*times: float) -> Any:
        os.kill(os.getpid(), number)
        return start_clock(*times)

    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(train, "start_clock", clock_and_signal)
        assert run_command(train.main, words) == code
    assert signal.getsignal(number) is before
    assert f"stopped by {signal.Signals(number).name}; saved " in capfd.readouterr().err
    assert goes_on_as_if_uninterrupted(words, tmp_path)


def test_a_data_file_cut_short_is_named(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data" / "shapes100"
    folder.mkdir(parents=True)
    for path in (root / "shapes100").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    os.truncate(folder / "train_images.npy", 1000)
    monkeypatch.setenv("BENCH_DATA", str(folder.parent))
    words = ["-f", "tests/small.yaml", *SMALL, f"runs={tmp_path / 'runs'}"]
    assert run_command(train.main, words) == 2
    assert "train_images.npy is truncated" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_the_clock_goes_on(dataset: Dataset, tmp_path: Path, at: At) -> None:
    at[1] = functools.partial(time.sleep, 1.0)
    at[2] = signalled()
    with pytest.raises(Interrupted):
        start(dataset, tmp_path)
    start(dataset, tmp_path)
    result = only_run(tmp_path).result
    assert result is not None
    assert result["seconds"]["train"] > 1.0
    assert result["seconds"]["checkpoint"] > 0.0


@pytest.mark.slow
def test_a_handful_of_kills() -> None:
    """`python -m tests.torture` with its default numbers is the whole of it."""
    words = ["--points", "4", "--moments", "3", "--pairs", "2", "--arms", "mixup"]
    command = [sys.executable, "-m", "tests.torture", *words]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "single process: 7 of 7 the same" in done.stdout
    assert "two processes: 2 of 2 the same" in done.stdout


@pytest.mark.slow
def test_the_launcher_is_stopped_and_a_rank_fails(small_data: Path, tmp_path: Path) -> None:
    """SIGTERM to the launcher; then rank 1 of the resumed run fails, whose own error is shown at once."""
    words = ["-f", "tests/small.yaml", "batch_size=64", f"runs={tmp_path}", "checkpoint.interval=1ba", "threads=1"]
    with compose("bench/train.py", words, small_data) as process:
        end = time.monotonic() + 240
        while not list(tmp_path.glob("*/*/epochs.jsonl")) and time.monotonic() < end and process.poll() is None:
            time.sleep(0.05)
        process.terminate()
        printed, _ = process.communicate(timeout=120)
    assert process.returncode == 143, printed
    assert "stopped by SIGTERM; saved " in printed
    with compose("tests/torture/failing.py", words, small_data) as process:
        printed, _ = process.communicate(timeout=200)
    assert process.returncode == 1, printed
    assert "resuming after 1 epochs" in printed
    assert "process 1 of the run failed:" in printed
    assert printed.index("a fault of rank 1") < printed.index("another of its processes failed")
    names = sorted(path.name for path in tmp_path.glob("*/*/wandb/offline-run-*/*.wandb"))
    assert names == [f"run-quickstart-{only_run(tmp_path).path.name}.wandb"] * 2
