"""Reading a suite: what it expands to, and how a mistake is worded."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.config import YAMLS, load_spec
from bench.sweep.suite import plan_suite, settle, to_words
from bench.util.errors import BadInput
from tests.refusals import refused
from tests.sweep.conftest import WriteSuite, expand

SUITES = sorted(YAMLS.glob("suites/*.yaml"))


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_every_suite_is_valid_and_says_its_command(path: Path) -> None:
    assert path.read_text().splitlines()[0] == f"# python -m bench.sweep -f yamls/suites/{path.name}"
    plan = plan_suite(path)
    assert not plan.invalid
    assert plan.suite.name == path.stem


def test_the_frontier_is_at_equal_compute() -> None:
    plan = plan_suite(YAMLS / "suites/frontier.yaml")
    assert {run.spec.budget for run in plan.runs} == {plan.suite.overrides["budget"], "0.1 PFLOP"}
    assert {run.spec.augmentation.policy for run in plan.runs} == {"none"}
    assert {run.spec.batch_size for run in plan.runs if run.spec.model.name != "speed_75"} == {256}


def test_seeds_times_recipes_times_models_seed_by_seed(write_suite: WriteSuite) -> None:
    recipes = ["recipes/light_10ep.yaml", "recipes/plain_30ep.yaml"]
    plan = expand(write_suite(recipes=recipes, seeds=[5, 7]))
    assert [run.spec.seed for run in plan.runs] == [5] * 6 + [7] * 6
    assert [run.spec.model.name for run in plan.runs[:3]] == ["resnet_20", "resnet_32", "ghost_resnet_20"]
    assert [run.spec.precision for run in plan.runs[:6]] == ["auto"] * 3 + ["fp32"] * 3
    assert len({run.path for run in plan.runs}) == 12
    assert {run.path.parent for run in plan.runs} == {Path(plan.suite.runs) / "trial"}


def test_an_ablation_contributes_all_arms_or_those_named(write_suite: WriteSuite) -> None:
    every = expand(write_suite(models=["ablations/ghost_ratio.yaml"]))
    assert [run.spec.model.options.get("ratio") for run in every.runs] == [None, 2, 3, 4]
    some = expand(write_suite(models=[{"file": "ablations/ghost_ratio.yaml", "arms": ["ratio3", "none"]}]))
    assert [run.spec.model.options.get("ratio") for run in some.runs] == [3, None]


def test_a_model_s_own_overrides_come_after_the_suite_s_and_the_command_line_after_both(
    write_suite: WriteSuite,
) -> None:
    models = ["resnet_20.yaml", {"file": "resnet_32.yaml", "overrides": {"optimizer": {"lr": 0.02}}}]
    path = write_suite(models=models, overrides={"optimizer": {"lr": 0.01}, "batch_size": 64})
    assert [run.spec.optimizer.lr for run in expand(path).runs] == [0.01, 0.02]
    plan = expand(path, "optimizer.lr=0.5", "batch_size=32", "seeds=[0,1]")
    assert [(run.spec.optimizer.lr, run.spec.batch_size) for run in plan.runs] == [(0.5, 32)] * 4


def test_the_words_of_a_run_train_exactly_its_spec(write_suite: WriteSuite) -> None:
    models = ["resnet_20.yaml", "ablations/ghost_ratio.yaml"]
    overrides = {
        "budget": "0.5 PFLOP",
        "optimizer": {"name": "adamw", "lr": 1e-5},
        "algorithms": {"channels_last": None},
    }
    plan = expand(write_suite(models=models, overrides=overrides, recipes=["recipes/light_200ep.yaml"]))
    for run in plan.runs:
        words = list(run.words)
        arm = words[words.index("--arm") + 1] if "--arm" in words else None
        assert load_spec(words[1], [word for word in words[2:] if "=" in word], arm) == run.spec
        assert f"max_duration={run.spec.max_duration}" in words


def test_a_budget_or_duration_replaces_those_below_it(write_suite: WriteSuite) -> None:
    path = write_suite(overrides={"budget": "0.1 PFLOP"}, recipes=["recipes/light_200ep.yaml"])
    assert {str(run.spec.max_duration) for run in expand(path, "max_duration=3ba", "schedule.warmup=0ep").runs} == {
        "3ba"
    }
    assert {run.spec.budget for run in expand(path, "budget=0.2 PFLOP").runs} == {"0.2 PFLOP"}
    assert settle([["budget=1 PFLOP", "a=1"], ["max_duration=2ep"], ["b=2"]]) == ["a=1", "max_duration=2ep", "b=2"]


def test_a_run_named_twice_is_trained_once(write_suite: WriteSuite) -> None:
    plan = expand(write_suite(models=["resnet_20.yaml", "resnet_20.yaml", "resnet_32.yaml"], seeds=[0, 1]))
    assert (len(plan.runs), plan.repeated) == (4, 2)


def test_overrides_become_words() -> None:
    given = {"a": {"b": 1, "c": {}}, "d": "x y", "e": None, "f": [1, 2], "g": True, "h": 1e-5}
    assert to_words(given) == ["a.b=1", "a.c={}", "d=x y", "e=null", "f=[1, 2]", "g=true", "h=1e-05"]


def test_a_model_that_cannot_be_trained_leaves_the_others_alone(write_suite: WriteSuite, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("base: recipes/light_10ep.yaml\nmodel: {name: resnet_21}\n")
    (tmp_path / "torn.yaml").write_text("model: {name: \n")
    plan = expand(write_suite(models=["bad.yaml", "resnet_20.yaml", "torn.yaml"], seeds=[0, 1]))
    assert [run.spec.model.name for run in plan.runs] == ["resnet_20"] * 2
    assert [item.name for item in plan.invalid] == ["bad.yaml", "torn.yaml"]
    assert "Did you mean 'resnet_20'?" in plan.invalid[0].reason
    assert "torn.yaml" in plan.invalid[1].reason


def test_a_suite_of_which_nothing_can_be_trained_is_refused(write_suite: WriteSuite) -> None:
    with pytest.raises(BadInput, match=r"trial\.yaml .*key 'optimizer\.lrr'.*Did you mean 'lr'"):
        expand(write_suite(overrides={"optimizer": {"lrr": 1}}))


BAD: list[tuple[dict[str, Any], list[str]]] = [
    ({"modles": ["resnet_20.yaml"]}, ["key 'modles'", "unknown key", "Did you mean 'models'?"]),
    ({"name": "../x"}, ["key 'name'", "'../x'"]),
    ({"name": None}, ["key 'name' is missing"]),
    ({"models": None}, ["key 'models' is missing"]),
    ({"models": []}, ["key 'models'", "[]", "at least 1"]),
    ({"models": "resnet_20.yaml"}, ["key 'models'", "list"]),
    ({"models": ["resnet_2O.yaml"]}, ["key 'models.0'", "resnet_2O.yaml", "Did you mean 'resnet_20.yaml'?"]),
    ({"models": [{"fiel": "resnet_20.yaml"}]}, ["models.0.fiel", "Did you mean 'file'?"]),
    ({"models": [3]}, ["models.0", "3"]),
    ({"models": [{"file": "resnet_20.yaml", "arms": ["x"]}]}, ["models.0.arms", "is not an ablation"]),
    (
        {"models": [{"file": "ablations/ghost_ratio.yaml", "arms": ["ratio5"]}]},
        ["models.0.arms", "Did you mean 'ratio"],
    ),
    ({"recipes": ["recipes/lihgt_10ep.yaml"]}, ["recipes.0", "Did you mean 'recipes/light_10ep.yaml'?"]),
    ({"seeds": []}, ["seeds", "[]", "at least 1"]),
    ({"seeds": [0, 0]}, ["seeds", "[0, 0]", "distinct"]),
    ({"seeds": [-1]}, ["seeds", "-1", "from 0"]),
    ({"seeds": ["a"]}, ["seeds.0", "'a'", "integer"]),
    ({"processes": 0}, ["processes", "0", "greater than or equal to 1"]),
    ({"workers": "many"}, ["workers", "'many'", "auto"]),
    ({"workers": 0}, ["workers", "0", "auto"]),
    ({"timing": "yes"}, ["timing", "'yes'", "boolean"]),
    ({"timing": True, "workers": 2}, ["workers", "2", "alone"]),
    ({"overrides": {"seed": 3}}, ["key 'overrides'", "'seed'", "'seeds'"]),
    ({"models": [{"file": "resnet_20.yaml", "overrides": {"experiment": "x"}}]}, ["models.0.overrides", "experiment"]),
]


@pytest.mark.parametrize(("changes", "words"), BAD, ids=[str(changes) for changes, _ in BAD])
def test_mistakes_name_file_key_value_and_what_is_allowed(
    changes: dict[str, Any], words: list[str], write_suite: WriteSuite
) -> None:
    keep = {"name": "trial", **changes}
    if keep["name"] is None or "/" in keep["name"]:
        path = write_suite()
        content = {**yaml.safe_load(path.read_text()), "name": keep["name"]}
        path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    else:
        path = write_suite(**changes)
    with refused(["trial.yaml", *words]):
        expand(path)


def test_what_the_suite_decides_is_refused_on_the_command_line(write_suite: WriteSuite) -> None:
    with pytest.raises(BadInput, match="the command line: 'seed' is set by the suite"):
        expand(write_suite(), "seed=3")
