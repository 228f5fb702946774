"""Runs that DeepSpeed trains in the tests' own process, stopped and resumed; `test_deepspeed` starts this file."""

from pathlib import Path

import pytest
import torch
from composer.core import Callback, State
from composer.loggers import Logger

from bench.data.datasets import Dataset
from bench.engines.checkpoints import newest_valid
from bench.engines.stopping import Interrupted
from bench.records import CHECKPOINTS, read_run
from bench.util.errors import BadInput
from tests.resume.runs import At, signalled, start
from tests.torture.compare import differences, final_state

pytestmark = pytest.mark.filterwarnings("ignore")
# Together what goes with DeepSpeed, with an optimizer each.
SETS: dict[str, list[str]] = {
    "sgd": ["algorithms.ema={half_life: 3ba}", "algorithms.gradient_clipping={clipping_threshold: 0.1}"],
    "adamw": ["optimizer={name: adamw, lr: 1e-3, decay: weights}", "algorithms.mixup={}", "eval_interval=3ba"],
    "parts": ["deepspeed.accumulation_steps=2", "algorithms.label_smoothing={}"],
    "bfloat16": ["precision=amp_bf16", "algorithms.cutmix={}"],
}
ZERO_2 = ["engine=deepspeed", "deepspeed.zero_stage=2"]


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


def assert_alike(one: Path, other: Path) -> None:
    """Assert that two finished runs have the same losses, weights and optimizer state but for rounding."""
    for mine, theirs in zip(read_run(one).epochs, read_run(other).epochs, strict=True):
        assert mine["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-3)
        assert mine["eval_loss"] == pytest.approx(theirs["eval_loss"], rel=1e-3)
    ours, theirs = (newest_valid(run / CHECKPOINTS, lambda content: None).content for run in (one, other))
    for name, value in theirs["model"].items():
        torch.testing.assert_close(ours["model"][name], value, rtol=1e-3, atol=1e-4)
    for number, state in theirs["optimizers"][0]["state"].items():
        for name, value in state.items():
            torch.testing.assert_close(ours["optimizers"][0]["state"][number][name], value, rtol=1e-2, atol=1e-3)


CLIPPED = "algorithms.gradient_clipping={clipping_threshold: 0.1}"


@pytest.mark.usefixtures("alone", "without_gpu")
@pytest.mark.parametrize(
    ("words", "own"),
    [
        ([CLIPPED], ["deepspeed.zero_stage=2"]),
        # Without batch statistics, parts of a batch change nothing.
        (["model.name=mlp_mixer_tiny", CLIPPED], ["deepspeed={zero_stage: 1, accumulation_steps: 2}"]),
        # Refused on a CPU for being of no use; the state is moved all the same.
        ([], ["deepspeed={zero_stage: 2, offload_optimizer: true}"]),
    ],
    ids=["clipping", "accumulation", "offload"],
)
def test_a_setting_trains_as_composer_alone(words: list[str], own: list[str], dataset: Dataset, tmp_path: Path) -> None:
    short = ["precision=fp32", "max_duration=1ep", "schedule.warmup=1ba", *words]
    assert_alike(
        start(dataset, tmp_path / "deepspeed", *short, "engine=deepspeed", *own),
        start(dataset, tmp_path / "composer", *short),
    )


@pytest.mark.usefixtures("alone", "without_gpu")
@pytest.mark.parametrize(("begun", "ended"), [(["engine=deepspeed", "deepspeed.zero_stage=3"], []), ([], ZERO_2)])
def test_a_run_goes_on_by_the_other_engine_where_that_is_allowed(
    begun: list[str], ended: list[str], dataset: Dataset, tmp_path: Path, at: At
) -> None:
    """Momentum and all: the run ends as one that the other engine has trained from its start."""
    whole = start(dataset, tmp_path / "whole", "precision=fp32")
    at[5] = signalled()
    with pytest.raises(Interrupted):
        start(dataset, tmp_path / "parts", "precision=fp32", *begun)
    with pytest.raises(BadInput, match="--allow-change"):
        start(dataset, tmp_path / "parts", "precision=fp32", *ended)
    parts = start(dataset, tmp_path / "parts", "precision=fp32", *ended, allow_change=True)
    assert_alike(parts, whole)
    (change,) = read_run(parts).changes
    assert change["step"] == 6
    assert [change[side]["engine"] for side in ("before", "after")] == (
        ["deepspeed", "composer"] if begun else ["composer", "deepspeed"]
    )
    assert read_run(whole).changes == ()


@pytest.mark.usefixtures("alone", "without_gpu")
@pytest.mark.parametrize("stage", [1, 3])
def test_gradients_are_summed_in_float32_where_a_network_computes_in_bfloat16(
    stage: int, dataset: Dataset, tmp_path: Path
) -> None:
    """Sums in bfloat16 would round once more for every further process, which costs accuracy."""
    seen: set[torch.dtype] = set()

    class Look(Callback):
        """Note in which types the ZeRO optimizer sums."""

        def batch_end(self, state: State, logger: Logger) -> None:
            seen.update(state.optimizers[0].engine.optimizer.ipg_buckets)

    words = ["engine=deepspeed", f"deepspeed.zero_stage={stage}", "precision=amp_bf16", "max_duration=1ba"]
    start(dataset, tmp_path, *words, "schedule.warmup=0ep", watchers=[Look()])
    assert seen == {torch.float32}
