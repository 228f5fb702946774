"""What W&B gets of a run: rare metrics always, those of every step at every tenth."""

import pytest

from bench.engines.wandb_run import EVERY, MAX_ID, is_logged, run_id


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


def test_ids_are_short_and_stay_apart() -> None:
    assert run_id("deck", "resnet_20-0123-s0") == "deck-resnet_20-0123-s0"
    ids = {run_id("e" * 200, f"run-s{seed}") for seed in range(3)}
    assert len(ids) == 3
    assert {len(name) for name in ids} == {MAX_ID}
