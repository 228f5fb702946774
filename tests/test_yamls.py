"""Every declared run trains: each file of yamls/ and each arm of each ablation, two batches through the entry point."""

import gc
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bench.engines.composer  # noqa: F401 - before the tests, so that collecting garbage need not look at it
from bench import train
from bench.config import YAMLS, load_arms, load_spec
from bench.data.datasets import prepare_dataset
from bench.data.prepare import Sizes
from bench.engines.precision import FP32, decide
from bench.spec import recipe_hash
from bench.util.cli import BAD_INPUT, OK, run_command
from tests.teachers import teacher_words

MODELS: list[tuple[Path, str | None]] = [(path, None) for path in sorted(YAMLS.glob("*.yaml"))]
ABLATIONS = sorted(YAMLS.glob("ablations/*.yaml"))
ARMS: list[tuple[Path, str | None]] = [(path, arm) for path in ABLATIONS for arm in load_arms(path, resolve=False)]
SMALL = ["data.name=shapes100", "batch_size=8", "eval_batch_size=10", "max_duration=2ba", "threads=1"]


@pytest.fixture(scope="module")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    prepare_dataset("shapes100", root / "shapes100", sizes=Sizes(train=16, test=10))
    return root


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Free the network that a test has trained, which is part of cycles, before the next one is built."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def trained() -> dict[str, dict[str, Any]]:
    """Return the results of what has been trained, by recipe: some arms are, to the last key, what a YAML declares."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize(("path", "arm"), MODELS + ARMS, ids=lambda part: getattr(part, "stem", part or ""))
def test_two_batches(
    path: Path,
    arm: str | None,
    teacher: Path,
    tiny_data: Path,
    trained: dict[str, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tiny_data))
    # One process, many runs: Composer's W&B logger allows one, and `tests/test_train.py` covers it.
    overrides = [*SMALL, f"runs={tmp_path}", "wandb.enabled=false"]
    chosen = ["--arm", arm] if arm else []
    overrides += teacher_words(path, arm, teacher)
    if load_spec(path, overrides, arm).precision == "amp" and decide("auto", "cpu").precision == FP32:
        assert run_command(train.main, ["-f", str(path), *chosen, *overrides]) == BAD_INPUT
        pytest.skip("this CPU has no fast mixed precision, so an arm that asks for it is refused")
    recipe = recipe_hash(load_spec(path, overrides, arm))
    if recipe not in trained:
        assert run_command(train.main, ["-f", str(path), *chosen, *overrides]) == OK
        (trained[recipe],) = [json.loads(found.read_text()) for found in tmp_path.glob("*/*/result.json")]
    result = trained[recipe]
    assert result["training"]["steps"] == 2
    assert result["evaluated_samples"] == 10
    assert result["model"]["params"] > 0
    assert result["loss"] > 0


@pytest.mark.parametrize("path", ABLATIONS, ids=lambda path: path.stem)
def test_an_ablation_says_its_command_and_has_arms(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    arms = load_arms(path, resolve=False)
    assert f"bench/train.py -f yamls/ablations/{path.name} --arm " in first
    assert first.rpartition(" ")[2] in arms
    assert len(arms) >= 2


@pytest.mark.parametrize("path", sorted(YAMLS.rglob("*.yaml")), ids=lambda path: str(path.relative_to(YAMLS)))
def test_no_declaration_asks_for_what_only_some_hardware_computes(path: Path) -> None:
    """float32 may be declared, as what is compared with; which kind of mixed precision it is follows the hardware."""
    assert not re.search(r"precision: *amp_", path.read_text())
