"""DeepSpeed trains what Composer trains, at every ZeRO stage: the same losses, records and checkpoints, bit for bit on.

The runs with several processes are those that partition anything.
"""

import signal
import time
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
import torch

from bench.data.datasets import Dataset
from bench.engines.checkpoints import Content, newest_valid
from bench.engines.stopping import Interrupted
from bench.records import CHECKPOINTS, read_run
from tests.resume.runs import SMALL, At, compose, only_run, signalled, start
from tests.torture.compare import differences, final_state

pytestmark = [
    pytest.mark.skipif(find_spec("deepspeed") is None, reason="needs the extra 'deepspeed'"),
    pytest.mark.filterwarnings("ignore"),
]
STAGES = range(4)
# Together what goes with DeepSpeed, with an optimizer each.
SETS: dict[str, list[str]] = {
    "sgd": ["algorithms.ema={half_life: 3ba}", "algorithms.gradient_clipping={clipping_threshold: 0.1}"],
    "adamw": ["optimizer={name: adamw, lr: 1e-3, decay: weights}", "algorithms.mixup={}", "eval_interval=3ba"],
    "parts": ["deepspeed.accumulation_steps=2", "algorithms.label_smoothing={}"],
    "bfloat16": ["precision=amp_bf16", "algorithms.cutmix={}"],
}


def words_of(stage: int, name: str) -> list[str]:
    """Return a set's overrides for a stage, without what does not go with it."""
    words = [word for word in SETS[name] if not (stage == 3 and "ema" in word)]
    return ["engine=deepspeed", f"deepspeed.zero_stage={stage}", "precision=fp32", *words]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process be the only one of a run in its environment, and in no later test's: launchers read it."""
    single = {"NODE_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"}
    for name, value in {**single, "DS_ACCELERATOR": "cpu"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("alone", "without_gpu")
@pytest.mark.parametrize(
    ("name", "stage"), [("sgd", 0), ("sgd", 2), ("adamw", 1), ("adamw", 3), ("parts", 2), ("bfloat16", 3)]
)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    name: str, stage: int, dataset: Dataset, tmp_path: Path, at: At
) -> None:
    words = words_of(stage, name)
    complete = start(dataset, tmp_path / "complete", *words)
    at[5] = signalled()
    with pytest.raises(Interrupted, match="SIGTERM"):
        start(dataset, tmp_path / "parts", *words)
    parts = start(dataset, tmp_path / "parts", *words)
    assert differences(final_state(complete), final_state(parts)) == []


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
