"""Bands from our own records: committed as the records give them, with the interval of one further run."""

import json
import math
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from scipy import stats as scipy_stats

from bench.analysis.health import check_health, find_band, recipe_of
from bench.analysis.own_bands import PATH, RECIPES, declared_identity, main, make_bands, own_bands
from bench.analysis.run_groups import group_runs
from bench.util.errors import BadInput
from tests.audit.builders import record

REPOSITORY = Path(__file__).parents[2]
SHORT = "base=recipes/fast_10ep.yaml"


def short(model: str, top1: float, seed: int = 0, *overrides: str) -> Any:
    return record(model, top1, seed, (SHORT, *overrides), training={"steps": 1950})


def test_the_committed_bands_are_those_of_the_committed_records(tmp_path: Path) -> None:
    main(["--runs", str(REPOSITORY / "reports/runs"), "--out", str(tmp_path / "bands.json")])
    assert json.loads((tmp_path / "bands.json").read_text()) == json.loads(PATH.read_text())


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_with_bands_is_recognised_whatever_the_network(recipe: str) -> None:
    base = f"base={RECIPES[recipe]}"
    for model in ("resnet_20", "ghost_resnet_32"):
        assert recipe_of(record(model, 60.0, 3, (base,)).spec) == recipe
    assert recipe_of(record("resnet_20", 60.0, 3, (base, "batch_size=512")).spec) is None
    assert own_bands()[recipe]["identity"] == declared_identity(RECIPES[recipe])


def test_a_band_is_the_prediction_interval_of_one_further_run() -> None:
    samples = {"resnet_20": [60.0, 61.0, 62.5], "resnet_32": [63.0, 64.0]}
    runs = [short(model, top1, seed) for model, sample in samples.items() for seed, top1 in enumerate(sample)]
    bands = make_bands(group_runs(runs)[0], declared_identity(RECIPES["fast_10ep"]))
    sd = math.sqrt((2 * stdev(samples["resnet_20"]) ** 2 + stdev(samples["resnet_32"]) ** 2) / 3)
    half = scipy_stats.t.ppf(0.975, 3) * sd * math.sqrt(1 + 1 / 2)
    found = bands["models"]["resnet_32"]
    assert (found["mean"], found["n"]) == (63.5, 2)
    assert (found["low"], found["high"]) == (round(fmean([63, 64]) - half, 1), round(63.5 + half, 1))


def test_one_seed_a_network_gives_no_spread() -> None:
    runs = [short("resnet_20", 60.0), short("resnet_32", 63.0)]
    with pytest.raises(BadInput, match="0 degrees of freedom"):
        make_bands(group_runs(runs)[0], declared_identity(RECIPES["fast_10ep"]))


def test_a_run_far_below_its_band_is_suspicious() -> None:
    mean = own_bands()["fast_10ep"]["models"]["resnet_20"]["mean"]
    assert check_health(short("resnet_20", mean)).mark == "healthy"
    assert check_health(short("resnet_20", mean - 20)).mark == "suspicious"
    assert find_band(short("hornet_tiny", 60.0).spec) is None
