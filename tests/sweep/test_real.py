"""A suite of real trainings: Composer, two at a time, each on its own core, one of which diverges."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bench.records import read_runs
from bench.sweep.backends.machine import usable_cores
from tests.conftest import REPOSITORY

BUDGET = 50 * 10**9


@pytest.mark.slow
def test_real_runs_are_packed_recorded_and_a_diverging_one_is_named(bench_data: Path, tmp_path: Path) -> None:
    workers = min(2, len(usable_cores()))
    content = {
        "name": "real",
        "models": ["resnet_20.yaml", {"file": "resnet_20.yaml", "overrides": {"optimizer": {"lr": 1e30}}}],
        "recipes": ["recipes/light_10ep.yaml"],
        "runs": str(tmp_path / "runs"),
        "workers": workers,
        "overrides": {
            "budget": f"{BUDGET // 10**9} GFLOP",
            "batch_size": 64,
            "data": {"name": "shapes100"},
            "schedule": {"warmup": "0ep"},
            "algorithms": {"channels_last": None},
            "device": "cpu",
            "wandb": {"enabled": False},
        },
    }
    (tmp_path / "real.yaml").write_text(yaml.safe_dump(content))
    command = [sys.executable, "-m", "bench.sweep", "-f", str(tmp_path / "real.yaml")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the loss became" in done.stdout
    assert "1 finished, 1 failed" in done.stdout
    records = read_runs(tmp_path / "runs")
    (result,) = (record.result for record in records if record.result)
    # 6 × 40,818,944 MACs × 64 images a batch: three batches fit into 50 GFLOP.
    assert result["training"]["steps"] == 3
    assert result["training"]["flops"] <= BUDGET < result["training"]["flops"] * 4 / 3
    assert result["spec"]["budget"] == "50 GFLOP"
    assert result["machine"]["cores"] == len(usable_cores()) // workers
    assert result["machine"]["threads"] == len(usable_cores()) // workers
    (failure,) = (tmp_path / "runs/real/failures").glob("*.json")
    assert json.loads(failure.read_text())["reason"].startswith("the loss became")
