"""A run is handed over as the file of its resolved spec: reading it again gives the same spec and the same identity."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.config import YAMLS, load_arms, load_spec
from bench.spec import RunSpec, recipe_hash, run_name
from bench.sweep.suite import plan_suite
from tests.teachers import teacher_words

RUNS = [(path.stem, path, None) for path in sorted(YAMLS.glob("*.yaml"))]
ABLATIONS = sorted(YAMLS.glob("ablations/*.yaml"))
ARMS = [(f"{path.stem} {arm}", path, arm) for path in ABLATIONS for arm in load_arms(path, resolve=False)]
SUITES = sorted(YAMLS.glob("suites/*.yaml"))


@pytest.fixture
def resolved(tmp_path: Path) -> Path:
    return tmp_path / "spec.json"


def read_again(spec: RunSpec, path: Path) -> RunSpec:
    path.write_text(spec.model_dump_json(indent=1), encoding="utf-8")
    return load_spec(path)


def check(spec: RunSpec, path: Path) -> None:
    again = read_again(spec, path)
    assert again == spec
    assert (recipe_hash(again), run_name(again)) == (recipe_hash(spec), run_name(spec))
    assert again.model_dump_json() == spec.model_dump_json()


@pytest.mark.parametrize(("path", "arm"), [case[1:] for case in RUNS + ARMS], ids=[case[0] for case in RUNS + ARMS])
def test_every_declared_run(path: Path, arm: str | None, teacher: Path, resolved: Path) -> None:
    check(load_spec(path, teacher_words(path, arm, teacher), arm), resolved)


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.stem)
def test_every_run_of_a_suite(suite: Path, resolved: Path) -> None:
    for run in plan_suite(suite).runs:
        check(run.spec, resolved)


OVERRIDES = [
    ["budget=0.1 PFLOP"],
    ["budget=10ep", "schedule.warmup=0.5ep"],
    ["budget=0.1 PFLOP", "algorithms.sam={}", "algorithms.channels_last=null"],
    ["budget=0.1 PFLOP", "schedule={name: multistep, milestones: [500ba, 0.5dur]}"],
    ["max_duration=60sec", "schedule={name: trapezoid, warmup: 5sec, cooldown: 0.25dur}"],
    ["augmentation.sizes=[[0.5, 24], [1.0, 32]]", "augmentation.flip=alternating", "model.stem=cifar"],
]


@pytest.mark.parametrize("overrides", OVERRIDES, ids=" ".join)
def test_budgets_schedules_and_nulls(overrides: list[str], resolved: Path) -> None:
    check(load_spec(YAMLS / "resnet_20.yaml", ["base=recipes/light_200ep.yaml", *overrides]), resolved)


@given(
    rate=st.floats(1e-12, 1e3),
    decay=st.floats(0, 1, allow_subnormal=True),
    seed=st.integers(0, 2**31 - 1),
    runs=st.text(st.characters(codec="utf-8", categories=["L", "M", "N", "P", "S", "Zs"]), min_size=1),
)
def test_numbers_and_paths(
    rate: float, decay: float, seed: int, runs: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    spec = load_spec(YAMLS / "resnet_20.yaml", [f"seed={seed}"])
    optimizer = spec.optimizer.model_copy(update={"lr": rate, "weight_decay": decay})
    check(spec.model_copy(update={"optimizer": optimizer, "runs": runs}), tmp_path_factory.getbasetemp() / "spec.json")
