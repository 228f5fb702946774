"""Runs that DeepSpeed trains in the tests' own process, stopped and resumed; `test_deepspeed` starts this file."""

from pathlib import Path

import pytest

from bench.data.datasets import Dataset
from bench.engines.stopping import Interrupted
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
