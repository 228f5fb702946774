"""What W&B gets of a run: rare metrics always, those of every step at every tenth."""

from pathlib import Path

import pytest

from bench.analysis.wandb_ids import MAX_ID, run_id
from bench.config import YAMLS, load_spec
from bench.engines.wandb_run import EVERY, build_wandb, is_logged
from bench.records import names_a_run


@pytest.mark.parametrize(
    ("names", "step", "logged"),
    [
        (["loss/train/total"], EVERY - 1, False),
        (["loss/train/total"], EVERY, True),
        (["loss/train/total"], 0, True),
        (["loss/train/total"], None, True),
        (["time/batch", "lr-SGD/group0"], EVERY + 1, False),
        (["time/batch", "eval/top1"], EVERY + 1, True),
        (["train/loss", "train/seconds"], EVERY + 1, True),
    ],
)
def test_only_what_is_logged_at_every_step_is_sampled(names: list[str], step: int | None, logged: bool) -> None:
    assert is_logged(names, step) is logged


def test_the_config_holds_the_declared_and_the_effective_precision(tmp_path: Path) -> None:
    spec = load_spec(YAMLS / "quickstart.yaml")
    config = build_wandb(spec, tmp_path, "fp32")._init_kwargs["config"]
    assert (config["precision"], config["effective_precision"]) == ("auto", "fp32")
    assert names_a_run(config)


def test_ids_are_short_and_stay_apart() -> None:
    assert run_id("deck", "resnet_20-0123-s0") == "deck-resnet_20-0123-s0"
    ids = {run_id("e" * 200, f"run-s{seed}") for seed in range(3)}
    assert len(ids) == 3
    assert {len(name) for name in ids} == {MAX_ID}
