"""Latency: what is timed, in which order, and what is made of the times; nothing asserts how long anything takes."""

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.benchmark import Timer

from bench.environment import usable_cores
from bench.evaluate import __main__ as command
from bench.evaluate import latency
from bench.evaluate.latency import CALLS, ROUNDS, WARM_UP, forward, summarise, take_turns
from bench.evaluate.trained import load_trained
from bench.util.cli import OK, run_command


def test_networks_take_turns_and_only_warm_calls_are_timed() -> None:
    now, order = 0.0, []
    counts = [itertools.count(), itertools.count()]

    def call(network: int) -> None:
        nonlocal now
        order.append(network)
        now += (network + 1) * next(counts[network])

    times = take_turns([lambda: call(0), lambda: call(1)], clock=lambda: now)
    assert order == [0] * WARM_UP + [1] * WARM_UP + ([0] * (CALLS + 1) + [1] * (CALLS + 1)) * ROUNDS
    timed = [WARM_UP + turn * (CALLS + 1) + 1 + number for turn in range(ROUNDS) for number in range(CALLS)]
    assert times == [timed, [2 * number for number in timed]]


def test_median_and_percentile_are_in_milliseconds() -> None:
    assert summarise(1, [number / 1000 for number in range(101)]) == pytest.approx(
        {"latency_1": 50, "latency_1_p95": 95}
    )


@pytest.mark.parametrize("batch", [1, 128])
def test_torchs_own_timer_measures_the_same(batch: int, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that moves when the network computes, and by nothing else."""
    now, trained = 0.0, load_trained(finished)
    network = trained.network.get_submodule("module")
    compute = network.forward

    def tick(images: torch.Tensor) -> torch.Tensor:
        nonlocal now
        now += 1e-4 * len(images)
        return compute(images)

    monkeypatch.setattr(network, "forward", tick)
    monkeypatch.setattr(latency, "ROUNDS", 2)
    call = forward(trained, batch)
    (times,) = take_turns([call], clock=lambda: now)
    timer = Timer("call()", timer=lambda: now, globals={"call": call})
    measured = 1000 * timer.timeit(5).median
    assert summarise(batch, times) == pytest.approx({f"latency_{batch}": measured, f"latency_{batch}_p95": measured})
    assert measured == pytest.approx(0.1 * batch)


@pytest.mark.parametrize("batch", [1, 100])
def test_what_is_timed_classifies_as_the_evaluation_does(
    batch: int, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = load_trained(finished)
    seen: list[torch.Tensor] = []
    monkeypatch.setattr(trained.network.get_submodule("module"), "forward", seen.append)
    forward(trained, batch)()
    (images,) = seen
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (trained.dataset.mean, trained.dataset.std))
    expected = torch.from_numpy(np.resize(trained.dataset.evaluation.images, (batch, 32, 32, 3))).permute(0, 3, 1, 2)
    torch.testing.assert_close(images, (expected / 255 - mean) / std)


def test_the_command_measures_runs_together_and_once(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(latency, "BATCHES", (1, 128))
    for name in ("ROUNDS", "CALLS", "WARM_UP"):
        monkeypatch.setattr(latency, name, 1)
    runs = [tmp_path / f"{finished.name}-{number}" for number in range(2)]
    for path in runs:
        shutil.copytree(finished, path)
    before = torch.get_num_threads()
    words = [*map(str, runs), "--what", "latency"]
    assert run_command(command.main, words) == OK
    printed = capsys.readouterr().out
    first = [json.loads((path / "evaluation" / "latency.json").read_text()) for path in runs]
    assert torch.get_num_threads() in (before, 1)  # the run's own number
    for kept, other in zip(first, reversed(runs), strict=True):
        assert kept["threads"] == usable_cores()
        assert kept["beside"] == [f"{other.parent.name}/{other.name}"]
        assert f"batch 1 {kept['latency_1']:.2f} ms" in printed
    assert run_command(command.main, words) == OK
    assert [json.loads((path / "evaluation" / "latency.json").read_text()) for path in runs] == first
    kept_at = runs[0] / "evaluation" / "latency.json"
    kept_at.write_text(json.dumps({**first[0], "machine": "AMD EPYC, 96 threads"}))
    assert run_command(command.main, words) == OK
    assert json.loads(kept_at.read_text())["machine"] == first[0]["machine"]
