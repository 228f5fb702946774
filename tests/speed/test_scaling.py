"""Processes × threads are compared by real runs of the launcher, in turns."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from bench.speed import scaling
from bench.speed.scaling import layouts, run_once, scaling_table


@pytest.mark.parametrize(
    ("cores", "expected"), [(1, [(1, 1)]), (2, [(1, 1), (1, 2), (2, 1)]), (8, [(1, 1), (1, 8), (2, 4), (4, 2), (8, 1)])]
)
def test_layouts_use_one_thread_or_all(cores: int, expected: list[tuple[int, int]]) -> None:
    assert layouts(cores) == expected
    assert layouts(8, gpus=True) == [(1, 1), (2, 1), (4, 1), (8, 1)]


def test_layouts_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def once(words: list[str], processes: int) -> dict[str, Any]:
        threads = next(word for word in words if word.startswith("threads="))
        calls.append((processes, threads))
        return {"images_per_second": 100.0 * processes, "seconds": {"startup": 8.0}}

    monkeypatch.setattr(scaling, "run_once", once)
    plan = argparse.Namespace(batch=8, steps=2, rounds=2, data="shapes100")
    rows = scaling.measure("resnet_20", plan, [(1, 2), (2, 1)])
    assert calls == [(1, "threads=2"), (2, "threads=1")] * 2
    machine = {"cpu": "A CPU", "cores": 2}
    table = scaling_table({"environment": machine, "plan": vars(plan), "rows": rows})
    assert "| resnet_20 | 1 × 2 | 100 [100 … 100] | 1.00× | 8.0 [8.0 … 8.0] |" in table
    assert "| resnet_20 | 2 × 1 | 200 [200 … 200] | 2.00× | 8.0 [8.0 … 8.0] |" in table


def test_a_real_run_tells_its_speed(bench_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    result = run_once(["-f", "yamls/resnet_20.yaml", "batch_size=32", "max_duration=2ba", "data.name=shapes100"], 1)
    assert result["training"]["steps"] == 2
    assert result["images_per_second"] > 0
    assert result["seconds"]["startup"] > 0
