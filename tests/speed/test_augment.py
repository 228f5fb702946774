"""The measurement of the augmentation: it compares the same work, in turns, and its goal is in reach anywhere."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.speed import __main__ as speed
from bench.speed import augment
from bench.speed.augment_table import GOAL, OURS, THEIRS
from bench.speed.timing import best_of, spread, take_turns
from bench.util.cli import BAD_INPUT, run_command
from tests.data.augmentation.reference import drawn_images

IMAGES = torch.from_numpy(drawn_images(1000))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_sides_take_turns_after_one_that_is_thrown_away() -> None:
    calls: list[str] = []
    times = take_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert "".join(calls) == "ab" * 4
    assert len(times["a"].wall) == len(times["b"].processor) == 3


def test_processor_time_counts_work_and_not_waiting() -> None:
    times = take_turns({"wait": lambda: time.sleep(0.05)}, 2)["wait"]
    assert min(times.wall) >= 0.05
    assert max(times.processor) < 0.02
    assert best_of(lambda: sum(range(200_000)), 3) > 1e-4


def test_spread_is_the_median_and_quartiles() -> None:
    assert spread([5.0, 1.0, 2.0, 3.0, 4.0]).show(1) == "3.0 [2.0 … 4.0]"


def test_rates_and_ratios_belong_together() -> None:
    result = augment.compare(IMAGES, 64, 3)
    for clock in ("wall", "processor"):
        theirs, ours = result[THEIRS][clock], result[OURS][clock]
        assert theirs["ratio"]["median"] == pytest.approx(1)
        ratios = np.array(ours["rates"]) / np.array(theirs["rates"])
        assert ours["ratio"]["median"] == pytest.approx(float(np.median(ratios)))


def test_both_sides_make_the_same_kind_of_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[torch.Tensor] = []
    stack = torch.stack
    monkeypatch.setattr(torch, "stack", lambda tensors: made.append(stack(tensors)))
    augment.run_theirs(IMAGES[:10], 5)
    assert [tuple(batch.shape) for batch in made] == [(5, 3, 32, 32)] * 2
    options = {"seed": 0, "epoch": 0, "augmentation": augment.DECK, "mean": augment.MEAN, "std": augment.STD}
    ours = augment.train_batch(IMAGES[:10], torch.arange(10), **options)  # type: ignore[arg-type]
    assert ours.shape == (10, 3, 32, 32)
    assert ours.dtype == made[0].dtype


def test_is_many_times_as_fast_as_torchvision() -> None:
    # Processor time and half of the goal: what a busy or unusual machine still reaches.
    ratio = augment.compare(IMAGES, 128, 5)[OURS]["processor"]["ratio"]["median"]
    assert ratio > GOAL / 2


def test_command_prints_and_writes_all_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(augment, "load_images", lambda name: ("few", IMAGES))
    file = tmp_path / "augment.json"
    assert run_command(speed.main, ["augment", "--rounds", "1", "--batch", "100", "--json", str(file)]) == 0
    printed, numbers = capsys.readouterr().out, json.loads(file.read_text())
    assert "goal of 20 times torchvision" in printed
    assert f"{numbers['steps']['all']:.2f}" in printed
    assert set(numbers["operations"]) >= {"identity", "rotate", "equalize"}
    assert all(cost["ours"] > 0 for cost in numbers["operations"].values())
    assert numbers["images"] == 1000
    assert set(numbers["epoch"]) == {"1", "2"}
    assert numbers["environment"]["packages"]["torch"] == "2.7.0"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["augmnt"],
        ["augment", "--rounds", "0"],
        ["augment", "--data", "nothing"],
        ["augment", "--json", "no/x.json"],
    ],
    ids=str,
)
def test_command_refuses(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(speed.main, arguments) == BAD_INPUT
    assert "error:" in capsys.readouterr().err


def test_command_lists_what_it_measures(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(speed.main, ["--help"]) == 0
    assert "augment" in capsys.readouterr().out
