"""DDP and the ZeRO stages side by side: what each process holds, counted from its tensors by a real run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from bench.speed import engines
from bench.speed.engines_table import engines_table
from bench.speed.held import held, new_bytes
from bench.util.cli import BAD_INPUT, run_command
from bench.zoo.counting.golden import read_golden
from tests.requirements import needs

RANK = {"precision": "fp32", "between": {"parameters": 2**20}, "process_bytes": 2**30}


def row(engine: str, speed: float, mib: int) -> dict[str, Any]:
    most = {"parameters": 2**20, "gradients": mib * 2**20, "optimizer": 2 * 2**20}
    return {"model": "a_net", "engine": engine, "images_per_second": [speed], "ranks": [{**RANK, "most": most}] * 2}


def test_the_table_compares_with_ddp() -> None:
    plan = {"processes": 2, "batch": 8, "steps": 2, "rounds": 1, "data": "shapes100"}
    rows = [row("DDP", 100.0, 5), row("ZeRO 2", 50.0, 1)]
    lines = engines_table({"environment": {"cpu": "A CPU", "cores": 2}, "plan": plan, "rows": rows}).splitlines()
    assert "| a_net | DDP | 100.0 [100.0 … 100.0] | 1.00× | 1.0 | 1.0 | 5.0 | 2.0 | 8.0 | 1.00× |" in lines
    assert "| a_net | ZeRO 2 | 50.0 [50.0 … 50.0] | 0.50× | 1.0 | 1.0 | 1.0 | 2.0 | 4.0 | 0.50× |" in lines


def test_a_storage_counts_once() -> None:
    flat, seen = torch.zeros(8), {0}
    assert new_bytes([flat[:4], flat[4:], torch.empty(0)], seen) == 32
    assert new_bytes([flat, torch.zeros(2)], seen) == 8


def test_parameters_gradients_and_state_are_counted() -> None:
    model = nn.Linear(3, 4, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    state: Any = SimpleNamespace(model=model, optimizers=[optimizer])
    assert held(state) == {"parameters": 48, "optimizer": 0, "gradients": 0}
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    assert held(state) == {"parameters": 48, "optimizer": 48, "gradients": 48}


def test_a_missing_extra_is_said_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.engines.deepspeed_check.find_spec", lambda name: None)
    assert run_command(engines.main, []) == BAD_INPUT
    assert "pip install 'deepspeed==" in capsys.readouterr().err


@pytest.mark.slow
@needs("deepspeed")
def test_zero_holds_a_half_on_each_of_two_processes(bench_data: Path) -> None:
    """By real runs: of a network's figures, SGD's momentum is one a parameter."""
    whole = 4 * read_golden()["resnet_20"].params
    words = ["-f", "yamls/resnet_20.yaml", "batch_size=16", "data.name=shapes100", "precision=fp32"]
    found = {name: engines.run_once([*words, *engines.VARIANTS[name]], 2, 1)[0]["most"] for name in ("DDP", "ZeRO 2")}
    assert found["DDP"]["parameters"] == found["DDP"]["optimizer"] == whole
    assert found["DDP"]["gradients"] == 2 * whole  # with its buckets
    # Its own copy of a half of the parameters, and their momentum; both are padded by a few elements.
    assert found["ZeRO 2"]["optimizer"] == pytest.approx(whole, rel=0.01)
    assert found["ZeRO 2"]["parameters"] == pytest.approx(whole, rel=0.01)
