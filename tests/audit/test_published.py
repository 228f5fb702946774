"""The authors' logs: which runs are one network, and how far they lie apart."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats as reference

from bench.analysis.health import DECK_OPTIMIZERS
from bench.audit.claims import Subject
from bench.audit.published import RUNS_PATH, Noise, pool_noise, read_published
from bench.util.errors import BadInput
from bench.zoo.models import MODELS
from tests.audit.builders import GOLDEN, log

PUBLISHED = read_published(GOLDEN)
ECA = (66.27, 67.03, 67.2098, 68.08, 66.73, 66.84, 66.92)


def test_three_names_of_one_network_are_one_group_of_seven_runs() -> None:
    for name in ("eca_resnet_20", "ecanet20_adaptive", "ecanet20_fixed_k3"):
        assert sorted(run.best for run in PUBLISHED.pool(Subject(name))) == sorted(ECA)
    assert (min(ECA), max(ECA)) == (66.27, 68.08)


def test_noise_is_the_pooled_standard_deviation_of_repeated_runs() -> None:
    groups = [ECA, (66.62, 66.92, 66.87), (59.09, 59.17, 57.74), (59.53, 59.19), (72.33, 71.12), (58.41, 58.32)]
    squares = sum(float(np.var(group)) * len(group) for group in groups)
    df = sum(len(group) - 1 for group in groups)
    noise = PUBLISHED.accuracy_noise
    assert (noise.df, noise.networks) == (df, len(groups)) == (13, 6)
    assert noise.sd == pytest.approx((squares / df) ** 0.5)
    assert noise.half_width(1 / 7) == pytest.approx(reference.t.ppf(0.975, df) * noise.sd / 7**0.5)


def test_noise_of_single_runs_is_unbounded() -> None:
    assert pool_noise([[log("resnet_20", 66.0)]], lambda run: run.best) == Noise(0.0, 0, 0)
    assert Noise(0.0, 0, 0).half_width(1.0) == float("inf")


def test_times_of_fewer_gpus_are_not_pooled_with_the_others() -> None:
    runs = [log("resnet_20", 66.0), log("resnet_20", 66.5), log("resnet_20", 67.0, steps=8100, hours=0.4)]
    assert PUBLISHED.time_noise.sd < 0.05
    mixed = type(PUBLISHED)(runs, GOLDEN)
    assert mixed.time_noise.sd == pytest.approx(0.0)
    assert mixed.accuracy_noise.df == 2


def test_every_log_follows_its_familys_recipe_but_the_one_with_another_batch() -> None:
    others = [run for run in PUBLISHED.runs if not run.deck_recipe]
    assert [(run.model, run.run, run.recipe.batch_size) for run in others] == [
        ("coatnet_cifar_opt", "20250602-183139", 512)
    ]
    assert {MODELS[run.model].family for run in PUBLISHED.runs} == set(DECK_OPTIMIZERS)


def test_another_network_or_recipe_is_not_pooled() -> None:
    assert [run.best for run in PUBLISHED.pool(Subject("mlp_mixer_tiny"))] == [59.52]
    assert [run.best for run in PUBLISHED.pool(Subject("coatnet_cifar_opt"))] == [58.68]
    assert [run.best for run in PUBLISHED.pool(Subject("ghost_resnet_20", (("ratio", 3),)))] == [56.45]
    assert sorted(run.best for run in PUBLISHED.pool(Subject("ghost_resnet_20"))) == [59.19, 59.53]
    assert PUBLISHED.pool(Subject("hornet_tiny")) == []


def test_a_log_of_another_network_stands_in_where_there_is_no_other() -> None:
    (run,) = PUBLISHED.pool(Subject("cspresnet50"))
    assert run.params != GOLDEN["cspresnet50"].params


def test_a_log_without_a_number_is_named(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(RUNS_PATH.read_text(encoding="utf-8").replace("0.29281", "soon"), encoding="utf-8")
    with pytest.raises(BadInput, match=r"runs\.csv:2: .*soon"):
        read_published(GOLDEN, path)


@pytest.mark.parametrize("ratio", [2, 3, 4])
def test_the_logged_ghost_networks_are_the_ones_the_zoo_builds(ratio: int) -> None:
    from bench.zoo.build import build_model

    built = build_model("ghost_resnet_20", 100, options={"ratio": ratio})
    logged = PUBLISHED.pool(Subject("ghost_resnet_20", (("ratio", ratio),)))
    assert {sum(p.numel() for p in built.parameters())} == {run.params for run in logged}
