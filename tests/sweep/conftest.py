"""Suites that tests run, with a stand-in for training."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.sweep.suite import Plan, plan_suite

WriteSuite = Callable[..., Path]
MODELS = ["resnet_20.yaml", "resnet_32.yaml", "ghost_resnet_20.yaml"]


@pytest.fixture
def write_suite(tmp_path: Path) -> WriteSuite:
    """Return a function that writes a suite of three models and returns its path; keywords change its keys."""

    def write(**changes: Any) -> Path:
        content = {
            "name": "trial",
            "models": MODELS,
            "runs": str(tmp_path / "runs"),
            "workers": 2,
            "overrides": {"max_duration": "4ba", "data": {"name": "shapes100"}, "schedule": {"warmup": "0ep"}},
            **changes,
        }
        path = tmp_path / f"{content['name']}.yaml"
        path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
        return path

    return write


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sweeps lock cores for this test alone: other tests and sweeps on this host are not in its way."""
    monkeypatch.setenv("BENCH_LOCKS", str(tmp_path / "host"))


@pytest.fixture
def small(small_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let suites find the small shapes100."""
    monkeypatch.setenv("BENCH_DATA", str(small_data))


def expand(path: Path, *overrides: str) -> Plan:
    return plan_suite(path, overrides)


def read_starts(runs: Path) -> list[dict[str, Any]]:
    """Return every start of the stand-in, in order."""
    path = runs / "starts.txt"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
