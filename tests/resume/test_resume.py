"""A run that is interrupted goes on as if it had not been, whatever it trains with and whatever interrupts it."""

import functools
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from algorithms.registry import ALGORITHMS
from bench.data.datasets import Dataset
from bench.engines import snapshot
from bench.engines.callbacks import checkpoint
from bench.engines.callbacks.checkpoint import is_due
from bench.engines.checkpoints import Damaged, list_checkpoints, read_checkpoint, write_checkpoint
from bench.engines.identity import check_identity
from bench.engines.stopping import Interrupted
from bench.records import RESULT
from bench.util.duration import Duration
from bench.util.errors import BadInput
from tests.resume.runs import At, only_run, signalled, start
from tests.torture.compare import differences, final_state

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
        "algorithms.lookahead={interval: 2}",
        "algorithms.cutout={}",
        "algorithms.ghost_batchnorm={ghost_batch_size: 8}",
        "eval_interval=3ep",
        "precision=fp32",
    ],
    "freezing": [
        "algorithms.layer_freezing={freeze_start: 0.0, freeze_level: 0.6}",
        "algorithms.selective_backprop={start: 0.5, end: 1.0}",
        "algorithms.progressive_resizing={delay_fraction: 0.1, finetune_fraction: 0.1}",
        "optimizer={name: adamw, lr: 1e-3, decay: weights}",
    ],
    "speed": [
        "model.name=speed_75",
        "optimizer={name: muon, lr: 0.1, rest: {name: sgd, lr: 0.5, momentum: 0.9, nesterov: true, decay: linear}}",
        "algorithms.whitening_stem={samples: 50}",
        "algorithms.dirac_initialisation={}",
        "augmentation={crop_padding: 2, padding_mode: reflect, flip: alternating, sizes: [[0.3, 20], [1.0, 32]]}",
    ],
    "distillation": [
        "algorithms.distillation={teacher: TEACHER}",
        "algorithms.mixup={}",
        "algorithms.label_smoothing={}",
        "augmentation.sizes=[[0.5, 24], [1.0, 32]]",
    ],
    "transformer": [
        "model={name: vit_tiny_cifar, options: {dim: 24, depth: 2}}",
        "algorithms.mixup_cutmix={}",
        "algorithms.label_smoothing={}",
        "optimizer={name: adamw, lr: 1e-3, decay: weights}",
    ],
    "droppath": ["model.name=mlp_mixer_tiny", "max_duration=7ba", "schedule.name=constant", "schedule.warmup=2ba"],
}


IDENTITY = {
    "recipe": "01234567",
    "seed": 3,
    "engine": "composer",
    "world_size": 8,
    "batch_parts": 8,
    "precision": "fp32",
}


def test_the_sets_hold_every_algorithm() -> None:
    chosen = {word.removeprefix("algorithms.").partition("=")[0] for words in SETS.values() for word in words}
    assert set(ALGORITHMS) <= chosen


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SETS)
def test_a_run_that_was_stopped_twice_ends_as_one_that_was_not(
    name: str, dataset: Dataset, teacher: Path, tmp_path: Path, at: At
) -> None:
    """SIGTERM in the middle of the first epoch, in its last step and in the next epoch: the same bits at the end.

    That includes the record: its training cost, and the network's parameters though layers were frozen meanwhile.
    """
    words = [word.replace("TEACHER", str(teacher)) for word in SETS[name]]
    whole = start(dataset, tmp_path / "whole", *words)
    # Composer's SWA does not go on once it has begun.
    for step in (1, 3) if name == "swa" else (1, 3, 5):
        at[step] = signalled()
        with pytest.raises(Interrupted, match="SIGTERM"):
            start(dataset, tmp_path / "parts", *words)
    parts = start(dataset, tmp_path / "parts", *words)
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


def test_a_checkpoint_without_passes_leaves_the_training_cost_missing(dataset: Dataset, tmp_path: Path, at: At) -> None:
    """As one has them that was saved before passes were counted: what is left alone would be too little."""
    at[5] = signalled()
    with pytest.raises(Interrupted):
        start(dataset, tmp_path)
    (newest, *_) = list_checkpoints(only_run(tmp_path).path / "checkpoints")
    content = read_checkpoint(newest)
    assert content["callbacks"].pop("CostCallback")["passes"]
    write_checkpoint(newest.parent, newest.name, content)
    start(dataset, tmp_path)
    result = only_run(tmp_path).result
    assert result is not None
    assert result["training"]["flops"] is None
    assert "without counting its passes" in result["training"]["uncounted_because"]


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

    whole: dict[str, Any] = {part: {} for part in snapshot.PARTS} | {"frozen": [], "optimizers": [], "schedulers": []}
    for model, words in ((torch.nn.Linear(2, 4), "do not fit"), (torch.nn.Linear(2, 3).double(), "do not fit")):
        with pytest.raises(Damaged, match=words):
            snapshot.check(Training(), whole | {"model": model.state_dict()})
    with pytest.raises(Damaged, match="missing: frozen"):
        snapshot.check(Training(), {key: value for key, value in whole.items() if key != "frozen"})
    weights = Training.model.state_dict()
    with pytest.raises(Damaged, match="number of optimizers"):
        snapshot.check(Training(), whole | {"model": weights, "optimizers": [{}]})
    with pytest.raises(Damaged, match="wrong type: frozen, optimizers"):
        snapshot.check(Training(), whole | {"model": weights, "optimizers": 1, "frozen": {}})


@pytest.mark.parametrize("fused", [False, True])
def test_a_state_of_another_memory_format_is_paired_with_its_parameter(fused: bool) -> None:
    """A fused optimizer pairs them as they lie in memory; ZeRO saves rows of elements, and runs train channels-last."""
    updated = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        filters = torch.nn.Parameter(torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last))
        momentum = torch.randn(4, 3, 3, 3).to(memory_format=memory_format)
        optimizer = torch.optim.SGD([filters], lr=0.1, momentum=0.9, fused=fused)
        groups = optimizer.state_dict()["param_groups"]
        snapshot.give_optimizer(optimizer, {"state": {0: {"momentum_buffer": momentum}}, "param_groups": groups})
        filters.grad = torch.zeros_like(filters)
        optimizer.step()
        updated.append(filters.detach())
    assert torch.equal(*updated)


def test_a_run_goes_on_with_as_many_processes_as_it_began_with(tmp_path: Path) -> None:
    saved = dict(IDENTITY)
    check_identity(saved, dict(saved), tmp_path)
    with pytest.raises(BadInput, match=r"saved by 8 processes, not 2.*-n 8"):
        check_identity(saved, {**saved, "world_size": 2}, tmp_path)
    with pytest.raises(Damaged, match="how many processes saved it"):
        check_identity({**saved, "world_size": "many"}, dict(saved), tmp_path)
    with pytest.raises(Damaged, match="another run"):
        check_identity(saved, {**saved, "recipe": "76543210"}, tmp_path)


def test_a_checkpoint_is_of_one_precision(tmp_path: Path) -> None:
    """One of before this was recorded is of the precision that its recipe declares."""
    mine = dict(IDENTITY)
    check_identity({key: value for key, value in mine.items() if key != "precision"}, mine, tmp_path)
    with pytest.raises(BadInput, match="saved in amp_bf16 and cannot resume in fp32"):
        check_identity({**mine, "precision": "amp_bf16"}, mine, tmp_path)


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
    assert is_due(Duration.parse(text), Stamp(*before), Stamp(*now), epoch_ended, seconds) == due


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
