"""Reading a run's YAML: what is merged, what is refused, and how the refusal is worded."""

from pathlib import Path
from typing import Any

import pytest

from bench.config import YAMLS, holds, load_spec
from bench.spec import NOT_IDENTITY, recipe_hash, run_name
from bench.util.errors import BadInput
from tests.refusals import refused

RESNET = YAMLS / "resnet_20.yaml"
FILES = sorted(p for p in YAMLS.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_yaml_is_valid_and_says_its_command(path: Path) -> None:
    spec = load_spec(path)
    assert f"bench/train.py -f yamls/{path.name}" in path.read_text().splitlines()[0]
    assert spec.max_duration


def test_precedence_is_base_then_file_then_override(tmp_path: Path) -> None:
    (tmp_path / "low.yaml").write_text("batch_size: 8\nseed: 1\nmax_duration: 1ep\noptimizer: {name: sgd, lr: 0.1}\n")
    (tmp_path / "run.yaml").write_text("base: low.yaml\nseed: 2\nmodel: {name: resnet_20}\noptimizer: {lr: 0.2}\n")
    spec = load_spec(tmp_path / "run.yaml", ["seed=3"])
    assert (spec.batch_size, spec.seed, spec.optimizer.lr) == (8, 3, 0.2)


def test_base_can_be_replaced_on_the_command_line() -> None:
    assert str(load_spec(RESNET, ["base=recipes/light_10ep.yaml"]).max_duration) == "10ep"


def test_an_optimizer_of_another_name_replaces_the_section() -> None:
    spec = load_spec(RESNET, ["optimizer={name: adamw, lr: 0.001}"])
    assert spec.optimizer.model_dump()["name"] == "adamw"
    assert "momentum" not in spec.optimizer.model_dump()


def test_a_schedule_of_another_name_keeps_what_both_have(tmp_path: Path) -> None:
    (tmp_path / "low.yaml").write_text("base: recipes/light_200ep.yaml\nschedule: {warmup: 2ep, final: 0.1}\n")
    (tmp_path / "run.yaml").write_text("base: low.yaml\nmodel: {name: resnet_20}\n")

    def schedule_of(*overrides: str) -> dict[str, Any]:
        return load_spec(tmp_path / "run.yaml", list(overrides)).schedule.model_dump(mode="json")

    assert schedule_of() == {"name": "cosine", "warmup": "2ep", "final": 0.1}
    assert schedule_of("schedule.name=rex") == {"name": "rex", "warmup": "2ep", "final": 0.1}
    assert schedule_of("schedule.name=constant") == {"name": "constant", "warmup": "2ep"}
    steps = {"name": "multistep", "warmup": "2ep", "milestones": ["9ep", "0.5dur"], "gamma": 0.1}
    assert schedule_of("schedule={name: multistep, milestones: [9ep, 0.5dur]}") == steps
    with pytest.raises(BadInput, match=r"schedule\.final"):
        schedule_of("schedule={name: constant, final: 0.1}")


def test_null_leaves_an_algorithm_out() -> None:
    assert "mixup" in load_spec(RESNET).algorithms
    assert "mixup" not in load_spec(RESNET, ["algorithms.mixup=null"]).algorithms


def test_numbers_with_an_exponent_are_numbers(tmp_path: Path) -> None:
    assert load_spec(RESNET, ["optimizer.lr=1e-3"]).optimizer.lr == 0.001


def test_the_spec_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_spec(RESNET).seed = 3


def test_identity_leaves_out_seed_and_place_only(teacher: Path) -> None:
    spec = load_spec(RESNET)
    same = load_spec(RESNET, ["seed=9", "data.root=/elsewhere", "runs=other", "threads=1", "wandb.enabled=false"])
    assert recipe_hash(spec) == recipe_hash(same)
    for override in ("optimizer.lr=0.2", "batch_size=64", "data.split=tuning", "precision=fp32", "algorithms.ema={}"):
        assert recipe_hash(spec) != recipe_hash(load_spec(RESNET, [override])), override
    words = [f"algorithms.distillation.teacher={teacher}", f"model.weights={teacher}"]
    declared = load_spec(RESNET, words).model_dump()
    for key in NOT_IDENTITY:
        assert holds(declared, key.split(".")), key


def test_run_name_holds_model_recipe_and_seed() -> None:
    assert run_name(load_spec(RESNET, ["model.name=timm/resnet18", "seed=4"])).startswith("timm-resnet18-")
    assert run_name(load_spec(RESNET, ["seed=4"])).endswith("-s4")


REFUSED = [
    ("optimizer.lrr=1", ["optimizer.lrr", "unknown key", "Did you mean 'lr'?"]),
    ("modle.name=x", ["modle", "Did you mean 'model'?"]),
    ("seed=x", ["seed", "'x'", "integer"]),
    ("seed=-1", ["seed", "-1", "greater than or equal to 0"]),
    ("batch_size=1.5", ["batch_size", "1.5", "integer"]),
    ("optimizer.lr=-0.1", ["optimizer.lr", "-0.1", "greater than 0"]),
    ("optimizer.lr=.inf", ["optimizer.lr", "inf", "finite"]),
    ("optimizer.weight_decay=.nan", ["optimizer.weight_decay", "nan", "finite"]),
    ("algorithms.mixup.alpha=.inf", ["mixup.alpha", "inf", "finite"]),
    ("augmentation.sizes=[[.nan, 24], [1.0, 32]]", ["augmentation.sizes", "the last share 1"]),
    ("optimizer.name=sdg", ["optimizer", "'sdg'", "Did you mean 'sgd'?"]),
    ("model.name=resnet_21", ["model.name", "resnet_21", "Did you mean 'resnet_2", "Allowed:"]),
    ("algorithms.mixpu.alpha=1", ["mixpu", "Did you mean 'mixup'?"]),
    ("algorithms.mixup.alhpa=1", ["alhpa", "Did you mean 'alpha'?"]),
    ("algorithms.mixup.alpha=-1", ["mixup.alpha", "-1", "greater than 0"]),
    ("algorithms.mixup=3", ["algorithms.mixup", "3"]),
    ("algorithms=3", ["algorithms", "3"]),
    ("algorithms.randaugment={}", ["augmentation.policy=rand_augment"]),
    ("algorithms.cutmix={}", ["'mixup' and 'cutmix' cannot be combined"]),
    ("precision=fp16", ["precision", "'fp16'", "Did you mean 'amp_fp16'?"]),
    ("experiment=../../etc", ["experiment", "../../etc"]),
    ("model.name=../x", ["model.name", "../x"]),
    ("max_duration=10", ["max_duration", "10"]),
    ("max_duration=0ep", ["max_duration", "0ep"]),
    ("schedule.warmup=5sp", ["schedule.warmup", "5sp", "ep or ba"]),
    ("schedule.warmup=1.5dur", ["schedule.warmup", "'1.5dur'", "at most 1"]),
    ("schedule.name=cosin", ["schedule.name", "'cosin'", "Did you mean 'cosine'?", "multistep"]),
    ("schedule.gamma=0.1", ["schedule.gamma", "unknown key", "final, name, warmup"]),
    ("schedule=3", ["key 'schedule': 3", "cosine, linear"]),
    ("schedule={name: multistep}", ["schedule.milestones", "missing"]),
    ("schedule={name: multistep, milestones: []}", ["schedule.milestones", "at least 1"]),
    ("schedule={name: multistep, milestones: [60ep, 60ep]}", ["schedule.milestones", "must increase"]),
    ("schedule={name: multistep, milestones: [1ep], warmup: 1ep}", ["schedule.milestones", "after the warm-up (1ep)"]),
    ("schedule={name: multistep, milestones: [60sp]}", ["schedule.milestones", "'60sp'", "max_duration=300ep"]),
    ("schedule={name: trapezoid, warmup: 0.5dur, cooldown: 180ep}", ["schedule.cooldown", "0.5dur"]),
    ("max_duration=1.5ba", ["max_duration", "'1.5ba'", "whole numbers"]),
    ("eval_interval=0.5ep", ["eval_interval", "'0.5ep'", "whole numbers"]),
    ("data=3", ["data", "3"]),
    ("data.name=${oc.env:HOME}", ["data.name", "interpolation"]),
    ("base=recipes/lihgt_10ep.yaml", ["base", "Did you mean 'recipes/light_10ep.yaml'?"]),
    ("no-equals-sign", ["no-equals-sign", "key=value"]),
]


@pytest.mark.parametrize(("override", "words"), REFUSED, ids=[override for override, _ in REFUSED])
def test_refusals_name_key_value_and_what_is_allowed(override: str, words: list[str]) -> None:
    with refused(words):
        load_spec(RESNET, [override])


BROKEN = {
    "a list": "- 1\n",
    "a scalar": "hello\n",
    "empty": "",
    "torn": "model: {name: \n",
    "duplicate key": "seed: 1\nseed: 2\n",
    "a tagged object": "model: !!python/object/apply:os.system ['true']\n",
    "a key that is no string": "1: 2\n",
    "the boolean key on": "on: 2\n",
    "binary": "\x00\x01",
    "an interpolation": "seed: ${oc.env:HOME}\n",
    "its own base": "base: run.yaml\n",
    "a base that is a number": "base: 3\n",
    "bytes": "seed: !!binary aGk=\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_plain_mapping_is_refused_by_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(BROKEN[name])
    with pytest.raises(BadInput, match=r"run\.yaml"):
        load_spec(path)


def test_a_missing_file_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="Did you mean"):
        load_spec(YAMLS / "resnet_2O.yaml")


def test_an_error_names_the_file_that_holds_the_key(tmp_path: Path) -> None:
    (tmp_path / "low.yaml").write_text("batch_size: none\nmax_duration: 1ep\noptimizer: {name: sgd, lr: 0.1}\n")
    (tmp_path / "run.yaml").write_text("base: low.yaml\nmodel: {name: resnet_20}\n")
    with pytest.raises(BadInput, match=r"low\.yaml: key 'batch_size'"):
        load_spec(tmp_path / "run.yaml")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("model: {name: resnet_20}\n")
    with pytest.raises(BadInput, match="key 'batch_size' is missing"):
        load_spec(tmp_path / "run.yaml")
