"""Every evaluation stands at the step at which it was made, and the headline is that of the final weights."""

from pathlib import Path

import pytest

from bench.data.datasets import Dataset
from bench.records import read_run
from tests.engines.anew import evaluate_anew, run
from tests.training import LOSS_TOLERANCE

# 64 images in batches of 16: four steps an epoch.
SMALL = ["batch_size=16", "max_duration=2ep"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "changes",
    [
        ["eval_interval=3ba"],
        ["eval_interval=4ba"],
        ["eval_interval=5ep"],
        ["max_duration=6ba", "eval_interval=2ba"],
        ["max_duration=100sp", "eval_interval=32sp"],
        ["max_duration=1sec", "eval_interval=3ba"],
        ["algorithms.ema={half_life: 2ba}", "eval_interval=2ba"],
        ["algorithms.ema={half_life: 1ep}", "eval_interval=4ba"],
        ["algorithms.swa={swa_start: 0.1dur}", "eval_interval=4ba"],
        ["algorithms.swa={swa_start: 0.1dur, update_interval: 1ba}", "max_duration=6ba"],
    ],
    ids=" ".join,
)
def test_the_headline_is_that_of_the_final_weights(changes: list[str], easy: Dataset, tmp_path: Path) -> None:
    path = run(easy, tmp_path, *SMALL, *changes)
    record, anew = read_run(path), evaluate_anew(path, easy)
    assert record.result is not None
    assert record.result["loss"] == pytest.approx(anew["loss"], rel=max(1e-4, LOSS_TOLERANCE))
    assert record.result["top1"] == pytest.approx(anew["top1"])
    last = record.epochs[-1]
    assert (last["eval_loss"], last["batch"]) == (record.result["loss"], record.result["training"]["steps"])


def test_evaluations_stand_at_their_own_steps(easy: Dataset, tmp_path: Path) -> None:
    """Evaluating more often adds rows; each step's evaluation is the same, whenever else there was one."""
    often = read_run(run(easy, tmp_path / "often", *SMALL, "eval_interval=1ba")).epochs
    seldom = read_run(run(easy, tmp_path / "seldom", *SMALL, "eval_interval=3ba")).epochs
    assert [row["epoch"] for row in often] == [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
    assert [row["batch"] for row in often] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [(row["batch"], row["epoch"]) for row in seldom] == [(3, 0.75), (4, 1), (6, 1.5), (8, 2)]
    assert [row["batch"] for row in seldom if row["eval_loss"] is None] == [4]
    losses = {row["batch"]: row["eval_loss"] for row in often}
    assert len(set(losses.values())) == len(losses)
    assert all(row["eval_loss"] in (None, losses[row["batch"]]) for row in seldom)


def test_a_row_holds_the_epochs_training_up_to_its_step(easy: Dataset, tmp_path: Path) -> None:
    often = read_run(run(easy, tmp_path / "often", *SMALL, "eval_interval=1ba")).epochs
    seldom = read_run(run(easy, tmp_path / "seldom", *SMALL, "eval_interval=2ep")).epochs
    keys = ("batch", "samples", "lr", "train_loss", "train_top1")
    ends = [{key: row[key] for key in keys} for row in often if row["batch"] in (4, 8)]
    assert ends == [{key: row[key] for key in keys} for row in seldom]
    assert [row["samples"] for row in often] == [16 * row["batch"] for row in often]
    assert len({row["train_loss"] for row in often}) == len(often)
