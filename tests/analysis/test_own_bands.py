"""Bands from our own records: committed as the records give them, for further runs, not for those that made them."""

import json
import math
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from scipy import stats as scipy_stats

from bench.analysis.cells import Phrase, Row, missing
from bench.analysis.health import check_health, find_band, recipe_of
from bench.analysis.own_bands import PATH, RECIPES, declared_identity, main, make_bands, own_bands
from bench.analysis.run_groups import group_runs
from bench.records import RunRecord, read_run
from bench.tables.comparison import comparison
from bench.tables.health import OWN_BAND
from bench.tables.measures import Options
from bench.tables.text import say
from bench.util.errors import BadInput
from tests.audit.builders import record
from tests.tables.building import rows_of

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
    assert found["runs"] == {"deck/resnet_32-0-s0": 63.0, "deck/resnet_32-0-s1": 64.0}
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


def committed(model: str, seed: int = 0) -> RunRecord:
    """Return a committed run that the band of its network was made of."""
    runs = own_bands()["fast_10ep"]["models"][model]["runs"]
    return read_run(REPOSITORY / "reports/runs" / next(run for run in runs if run.endswith(f"-s{seed}")))


def elsewhere(run: RunRecord, top1: float | None = None) -> RunRecord:
    """Return a run as another experiment repeats it."""
    result = {**(run.result or {})}
    return replace(run, path=Path("runs/mine") / run.path.name, result={**result, "top1": top1 or result["top1"]})


@pytest.mark.parametrize("model", ["resnet_56", "resnet_20"])
def test_a_band_judges_none_of_the_runs_that_it_was_made_of(model: str) -> None:
    n = own_bands()["fast_10ep"]["models"][model]["n"]
    for seed in range(n):
        health = check_health(committed(model, seed))
        assert (health.mark, "was made of" in health.why) == ("not judged", True)
        assert f"n = {n}" in health.source


@pytest.mark.parametrize("model", ["eca_resnet_20", "resnet_20"])
def test_a_band_judges_other_runs_also_by_one_run_and_under_its_name(model: str) -> None:
    own = committed(model)
    assert own.result is not None
    assert check_health(elsewhere(own)).mark == "healthy"
    assert check_health(elsewhere(own, 30.0)).mark == "suspicious"
    assert check_health(replace(own, result={**own.result, "top1": 30.0})).mark == "suspicious"


def shown(*runs: RunRecord) -> dict[str, Row]:
    """Return the comparison's rows of some runs by model, if it has a column on health."""
    table = comparison(group_runs(runs)[0], Options())
    return rows_of(table) if "health" in {column.key for column in table.columns} else {}


def test_a_table_of_the_runs_of_bands_has_no_column_on_health() -> None:
    assert shown(committed("eca_resnet_20"), committed("resnet_20")) == {}


def test_a_table_marks_other_runs_and_says_why_it_does_not_mark_those_of_a_band() -> None:
    rows = shown(committed("eca_resnet_20"), committed("resnet_20", 0), elsewhere(committed("resnet_20", 1)))
    own, other = rows["eca_resnet_20"], rows["resnet_20"]
    assert own.cells["health"] == missing(OWN_BAND)
    assert say(Phrase(OWN_BAND), "zh") != OWN_BAND
    assert not [note for note in own.notes if "health" in note.english()]
    # One of two seeds is marked.
    assert other.cells["health"].text == Phrase("{}", (Phrase("{} {}", (1, Phrase("healthy"))),))
    assert [note for note in other.notes if "prediction interval" in note.english()]
