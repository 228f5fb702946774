"""A run that is interrupted goes on as if it had not been, whatever it trains with and whatever interrupts it."""

import errno
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import bench.data.loader as loader
from algorithms import checkpoint, snapshot
from algorithms.checkpoint import Interval
from algorithms.registry import ALGORITHMS
from bench import train
from bench.checkpoints import Damaged, list_checkpoints, read_checkpoint, write_checkpoint
from bench.cli import run_command
from bench.config import YAMLS, load_spec
from bench.data.datasets import Dataset, load_dataset
from bench.data.prepare import Sizes, prepare_shapes100
from bench.engines.composer import fit, start_clock
from bench.engines.resume import check_identity
from bench.environment import describe_environment
from bench.errors import BadInput
from bench.records import FAILED, RESULT, RunRecord, RunWriter, read_runs, run_directory
from bench.stopping import Diverged, Interrupted
from tests.conftest import REPOSITORY
from tests.torture.compare import differences, final_state

# 96 images in batches of 24: four steps an epoch.
SMALL = ["batch_size=24", "eval_batch_size=100", "max_duration=2ep", "wandb.enabled=false", "threads=1"]
At = dict[int, Callable[[], None]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    prepare_shapes100(folder / "shapes100", sizes=Sizes(train=96, test=100))
    return folder


@pytest.fixture(scope="module")
def dataset(root: Path) -> Dataset:
    return load_dataset("shapes100", root, "test")


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Iterator[At]:
    """Return a dict of what is to happen once, right before the step of a number (from 0) is taken."""
    happens: At = {}
    reseed = loader.reseed

    def reseed_and_happen(seed: int, step: int, rank: int) -> None:
        happens.pop(step, lambda: None)()
        reseed(seed, step, rank)

    monkeypatch.setattr(loader, "reseed", reseed_and_happen)
    yield happens
    assert not happens, "a step was never taken"


def start(dataset: Dataset, runs: Path, *overrides: str) -> Path:
    """Train the quickstart, or go on with it, and return its directory."""
    spec = load_spec(YAMLS / "quickstart.yaml", [*SMALL, f"runs={runs}", *overrides])
    writer = RunWriter(run_directory(spec))
    environment = describe_environment()
    writer.claim(spec, environment)
    try:
        fit(spec, dataset, writer, environment, start_clock(time.time(), time.time()))
    finally:
        writer.release()
    return writer.path


def signalled(number: int = signal.SIGTERM) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def only_run(runs: Path) -> RunRecord:
    (record,) = read_runs(runs)
    return record


# Together every algorithm, with an optimizer, a precision and an interval of evaluation each.
SETS: dict[str, list[str]] = {
    "averaging": [
        "algorithms.mixup={}",
        "algorithms.ema={half_life: 3ba}",
        "algorithms.label_smoothing={}",
        "algorithms.gradient_clipping={}",
        "algorithms.channels_last={}",
        "algorithms.blurpool={}",
        "eval_interval=3ba",
    ],
    "swa": [
        "algorithms.cutmix={}",
        "algorithms.swa={swa_start: 0.1dur, swa_end: 0.9dur, update_interval: 2ba}",
        "algorithms.squeeze_excite={}",
        "algorithms.weight_standardization={}",
        "optimizer={name: adamw, lr: 1e-3}",
        "schedule.name=linear",
        "precision=fp32",
    ],
    "sam": [
        "algorithms.sam={interval: 2}",
        "algorithms.colout={}",
        "algorithms.cutout={}",
        "algorithms.ghost_batchnorm={ghost_batch_size: 8}",
        "eval_interval=3ep",
        "precision=fp32",
    ],
    "freezing": [
        "algorithms.layer_freezing={freeze_start: 0.0, freeze_level: 0.6}",
        "algorithms.selective_backprop={start: 0.9, end: 1.0}",
        "algorithms.progressive_resizing={delay_fraction: 0.1, finetune_fraction: 0.1}",
        "optimizer={name: adamw, lr: 1e-3, decay_norm_bias: false}",
    ],
    "droppath": ["model.name=mlp_mixer_tiny", "max_duration=7ba", "schedule.name=constant", "schedule.warmup=2ba"],
}


def test_the_sets_hold_every_algorithm() -> None:
    chosen = {word.removeprefix("algorithms.").partition("=")[0] for words in SETS.values() for word in words}
    assert set(ALGORITHMS) <= chosen


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SETS)
def test_a_run_that_was_stopped_twice_ends_as_one_that_was_not(
    name: str, dataset: Dataset, tmp_path: Path, at: At
) -> None:
    """SIGTERM in the middle of the first epoch and in the last step of it: the same bits at the end."""
    whole = start(dataset, tmp_path / "whole", *SETS[name])
    for step in (1, 3):
        at[step] = signalled()
        with pytest.raises(Interrupted, match="SIGTERM"):
            start(dataset, tmp_path / "parts", *SETS[name])
    parts = start(dataset, tmp_path / "parts", *SETS[name])
    assert differences(final_state(whole), final_state(parts)) == []


def test_an_evaluation_is_not_lost_with_the_epoch_that_it_came_in(dataset: Dataset, tmp_path: Path, at: At) -> None:
    """Evaluated after step 2 of 4, stopped after step 3: the epoch's row still holds it."""
    at[2] = signalled(signal.SIGINT)
    with pytest.raises(Interrupted, match="SIGINT"):
        start(dataset, tmp_path, "eval_interval=2ba", "max_duration=1ep")
    start(dataset, tmp_path, "eval_interval=3ba", "max_duration=1ep")
    assert only_run(tmp_path).epochs[0]["eval_samples"] == 100


@pytest.mark.parametrize("duration", ["3ep", "6ba"])
def test_the_end_is_evaluated_whatever_the_interval(duration: str, dataset: Dataset, tmp_path: Path) -> None:
    start(dataset, tmp_path, f"max_duration={duration}", "eval_interval=2ep")
    record = only_run(tmp_path)
    assert record.result is not None
    assert record.result["evaluated_samples"] == 100
    assert record.epochs[-1]["eval_top1"] == record.result["top1"]


def test_killed_between_end_and_result_nothing_is_trained_again(dataset: Dataset, tmp_path: Path, at: At) -> None:
    path = start(dataset, tmp_path, "algorithms.ema={}")
    before = final_state(path)
    (path / RESULT).unlink()
    start(dataset, tmp_path, "algorithms.ema={}")
    assert differences(before, final_state(path)) == []


@pytest.mark.parametrize("spoil", ["cut short", "another run's", "other weights"])
def test_the_checkpoint_before_a_spoilt_one_is_used(spoil: str, dataset: Dataset, tmp_path: Path, at: At) -> None:
    every = "checkpoint={interval: 1ba, keep: 3}"
    whole = start(dataset, tmp_path / "whole", every)
    at[5] = signalled()
    with pytest.raises(Interrupted):
        start(dataset, tmp_path / "parts", every)
    path = only_run(tmp_path / "parts").path
    newest = list_checkpoints(path / "checkpoints")[0]
    if spoil == "cut short":
        os.truncate(newest, newest.stat().st_size // 2)
    else:
        content = read_checkpoint(newest)
        content["seed" if spoil == "another run's" else "model"] = 77
        write_checkpoint(newest.parent, newest.name, content)
    start(dataset, tmp_path / "parts", every)
    assert differences(final_state(whole), final_state(path)) == []
    assert (newest.parent / f"{newest.name}.refused").is_file()


def test_weights_of_another_shape_are_refused() -> None:
    class Training:
        model = torch.nn.Linear(2, 3)
        optimizers = ()
        schedulers = ()

    whole: dict[str, Any] = {part: {} for part in snapshot.PARTS} | {"optimizers": [], "schedulers": []}
    for model, words in ((torch.nn.Linear(2, 4), "not those"), (torch.nn.Linear(2, 3).double(), "not those")):
        with pytest.raises(Damaged, match=words):
            snapshot.check(Training(), whole | {"model": model.state_dict()})
    with pytest.raises(Damaged, match="lacks frozen"):
        snapshot.check(Training(), {key: value for key, value in whole.items() if key != "frozen"})
    weights = Training.model.state_dict()
    with pytest.raises(Damaged, match="number of optimizers"):
        snapshot.check(Training(), whole | {"model": weights, "optimizers": [{}]})


def test_a_run_goes_on_with_as_many_processes_as_it_began_with(tmp_path: Path) -> None:
    saved = {"recipe": "01234567", "seed": 3, "world_size": 8}
    check_identity(saved, dict(saved), tmp_path)
    with pytest.raises(BadInput, match=r"saved by 8 processes and this is 2.*-n 8"):
        check_identity(saved, {**saved, "world_size": 2}, tmp_path)
    with pytest.raises(Damaged, match="another run"):
        check_identity(saved, {**saved, "recipe": "76543210"}, tmp_path)


class Stamp:
    """A timestamp as far as intervals look at it."""

    def __init__(self, epoch: int, batch: int, sample: int) -> None:
        self.epoch, self.batch, self.sample = epoch, batch, sample


@pytest.mark.parametrize(
    ("text", "before", "now", "epoch_ended", "seconds", "due"),
    [
        ("2ep", (1, 8, 80), (2, 8, 80), True, 0, True),
        ("2ep", (2, 12, 120), (3, 12, 120), True, 0, False),
        ("1ep", (0, 3, 30), (0, 4, 40), False, 0, False),
        ("3ba", (0, 2, 20), (0, 3, 30), False, 0, True),
        ("3ba", (0, 3, 30), (0, 4, 40), False, 0, False),
        ("1ba", (0, 4, 40), (1, 4, 40), True, 0, False),
        ("25sp", (0, 2, 20), (0, 3, 30), False, 0, True),
        ("25sp", (0, 3, 30), (0, 4, 40), False, 0, False),
        ("60sec", (0, 3, 30), (0, 4, 40), False, 59.9, False),
        ("60sec", (0, 3, 30), (0, 4, 40), False, 60.1, True),
        ("60sec", (0, 4, 40), (1, 4, 40), True, 60.1, True),
    ],
)
def test_intervals(
    text: str,
    before: tuple[int, int, int],
    now: tuple[int, int, int],
    epoch_ended: bool,
    seconds: float,
    due: bool,
) -> None:
    assert Interval.parse(text).is_due(Stamp(*before), Stamp(*now), epoch_ended, seconds) == due


@pytest.mark.parametrize(
    ("interval", "names"),
    [
        ("1ep", ["ep000001-ba0000000004", "ep000002-ba0000000008"]),
        ("3ba", ["ep000000-ba0000000003", "ep000001-ba0000000006", "ep000002-ba0000000008"]),
        ("1sec", None),
        ("100ep", ["ep000002-ba0000000008"]),
    ],
)
def test_a_run_is_saved_at_its_interval_and_at_its_end(
    interval: str, names: list[str] | None, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the clock of `sec` going on by 0.4 s at every look, four steps make more than a second."""
    ticks = iter(range(10_000))
    looks = functools.partial(checkpoint.CheckpointCallback, now=lambda: 0.4 * next(ticks))
    monkeypatch.setattr("bench.engines.composer.CheckpointCallback", looks)
    path = start(dataset, tmp_path, f"checkpoint={{interval: {interval}, keep: 9}}")
    written = sorted(p.stem for p in list_checkpoints(path / "checkpoints"))
    assert written == names if names else 2 < len(written) < 8


def test_a_loss_that_is_no_number_stops_the_run(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(root))
    overrides = ["optimizer.lr=1e18", "schedule.warmup=0ep", "precision=fp32", "checkpoint.interval=1ba"]
    words = ["-f", "yamls/quickstart.yaml", *SMALL, f"runs={tmp_path}", *overrides]
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


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("file", ["epochs.jsonl", "ep000001-ba0000000004.pt"])
def test_a_disk_that_fills_up_stops_the_run_and_spoils_nothing(
    code: int,
    file: str,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(root))
    words = ["-f", "yamls/quickstart.yaml", *SMALL, "checkpoint.interval=3ba", f"runs={tmp_path / 'parts'}"]
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
    assert "Run the same command again to go on." in message
    assert "Traceback" not in message
    assert run_command(train.main, words) == 0
    assert run_command(train.main, [*words[:-1], f"runs={tmp_path / 'whole'}"]) == 0
    parts, whole = (final_state(only_run(tmp_path / name).path) for name in ("parts", "whole"))
    assert differences(parts, whole) == []


def test_a_data_file_cut_short_is_named(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data" / "shapes100"
    folder.mkdir(parents=True)
    for path in (root / "shapes100").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    os.truncate(folder / "train_images.npy", 1000)
    monkeypatch.setenv("BENCH_DATA", str(folder.parent))
    words = ["-f", "yamls/quickstart.yaml", *SMALL, f"runs={tmp_path / 'runs'}"]
    assert run_command(train.main, words) == 2
    assert "train_images.npy is cut short" in capsys.readouterr().err
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
    words = ["-f", "yamls/quickstart.yaml", "batch_size=64", f"runs={tmp_path}", "checkpoint.interval=1ba", "threads=1"]
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
    assert "going on after 1 epochs" in printed
    assert "process 1 of the run failed:" in printed
    assert printed.index("a fault of rank 1") < printed.index("another of its processes failed")
    names = sorted(path.name for path in tmp_path.glob("*/*/wandb/offline-run-*/*.wandb"))
    assert names == [f"run-quickstart-{only_run(tmp_path).path.name}.wandb"] * 2


def compose(script: str, words: list[str], data: Path) -> subprocess.Popen[str]:
    """Start two ranks under Composer's launcher."""
    command = [str(Path(sys.executable).parent / "composer"), "-n", "2", script, *words]
    environment = {**os.environ, "BENCH_DATA": str(data), "WANDB_MODE": "offline"}
    environment.pop("OMP_NUM_THREADS", None)
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
