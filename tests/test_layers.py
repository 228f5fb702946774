"""A key that would have no effect is refused, whatever its section, layer and value."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from algorithms.registry import ALGORITHMS, CONFLICTS, ELSEWHERE
from bench.config import YAMLS, load_spec
from bench.layers import OPEN, fields_of, sections_of
from bench.spec import RunSpec, Section
from bench.util.errors import BadInput
from tests.teachers import least_settings

RESNET = YAMLS / "resnet_20.yaml"
# The kinds of sections that it has.
KINDS = {"optimizer": "sgd", "schedule": "cosine"}
PROPERTY = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


def fields(sections: list[type[Section]], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and annotation of every field of the schema, in sections of several kinds of resnet_20's."""
    for name, field in dict(fields_of(sections, KINDS.get(".".join(path)))).items():
        yield (*path, name), field.annotation
        yield from fields(sections_of(field.annotation), (*path, name))


FIELDS = dict(fields([RunSpec]))
SECTIONS = [(), *(path for path, annotation in FIELDS.items() if sections_of(annotation))]


def nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return a value under a path of keys."""
    return {path[0]: nested(path[1:], value)} if path else value


def write(folder: Path, content: dict[str, Any], base: str = "resnet_20.yaml") -> Path:
    """Write a YAML of one layer over a base and return its path."""
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump({"base": base, **content}))
    return path


def refusal(path: Path, *overrides: str) -> str:
    """Return the message with which a spec is refused."""
    with pytest.raises(BadInput) as error:
        load_spec(path, overrides)
    return str(error.value)


@pytest.mark.parametrize("path", FIELDS, ids=".".join)
def test_null_is_a_value_of_the_key_or_is_refused(path: tuple[str, ...], tmp_path: Path) -> None:
    name = ".".join(path)
    if NoneType in get_args(FIELDS[path]):
        value: Any = load_spec(RESNET, [f"{name}=null"])
        for key in path:
            value = getattr(value, key)
        assert value is None
        return
    for said in (refusal(RESNET, f"{name}=null"), refusal(write(tmp_path, nested(path, None)))):
        assert f"key '{name}': null is not a value of this key" in said


def test_a_null_that_a_higher_layer_hides_is_refused_by_file(tmp_path: Path) -> None:
    path = write(tmp_path, {"schedule": None})
    assert f"{path}: key 'schedule'" in refusal(path, "schedule.name=linear")


def test_a_name_is_refused_in_a_section_that_a_higher_layer_replaces(tmp_path: Path) -> None:
    path = write(tmp_path, {"optimizer": {"nestrov": True}})
    assert "Did you mean 'nesterov'?" in refusal(path, "optimizer={name: adamw, lr: 0.1}")


@PROPERTY
@given(
    section=st.sampled_from(SECTIONS),
    letter=st.sampled_from("aeiou"),
    place=st.integers(0, 20),
    which=st.integers(0, 30),
    value=st.sampled_from([None, 1, "x", {}, {"name": None}, []]),
    in_file=st.booleans(),
)
def test_a_mistyped_key_is_refused_with_the_nearest(
    tmp_path_factory: pytest.TempPathFactory,
    section: tuple[str, ...],
    letter: str,
    place: int,
    which: int,
    value: Any,
    in_file: bool,
) -> None:
    """One letter more in any key of any section, null or not, from a file or the command line."""
    known = [path for path in FIELDS if path[:-1] == section]
    name = known[which % len(known)][-1]
    wrong = name[: place % len(name) + 1] + letter + name[place % len(name) + 1 :]
    content = nested((*section, wrong), value)
    assume((*section, wrong) not in FIELDS)
    if in_file:
        said = refusal(write(tmp_path_factory.mktemp("layer"), content))
    else:
        said = refusal(RESNET, f"{'.'.join((*section, wrong))}={yaml.safe_dump(value, default_flow_style=True)}")
    assert f"key '{'.'.join((*section, wrong))}': unknown key." in said
    assert "Did you mean" in said or len(name) < 3


@PROPERTY
@given(st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12), st.sampled_from([None, {}, {"alpha": None}]))
def test_an_unknown_algorithm_is_refused_null_or_not(
    tmp_path_factory: pytest.TempPathFactory, name: str, settings: Any
) -> None:
    assume(name not in ALGORITHMS)
    path = write(tmp_path_factory.mktemp("layer"), {"algorithms": {name: settings}})
    assert f"key 'algorithms.{name}': unknown algorithm '{name}'" in refusal(path)


@pytest.mark.parametrize(("wrong", "right"), [("mix_up", "mixup"), ("emma", "ema"), ("gradient_cliping", "gradient")])
def test_a_mistyped_null_algorithm_names_the_nearest(wrong: str, right: str) -> None:
    assert f"Did you mean '{right}" in refusal(RESNET, f"algorithms.{wrong}=null")


@pytest.mark.parametrize("name", ELSEWHERE)
def test_null_for_what_is_declared_elsewhere_says_where(name: str) -> None:
    assert ELSEWHERE[name] in refusal(RESNET, f"algorithms.{name}=null")


@pytest.mark.parametrize("name", ALGORITHMS)
def test_null_takes_out_what_a_base_sets_and_nothing_else(name: str, tmp_path: Path, teacher: Path) -> None:
    """A YAML's bare `ema:` is null; over a base without EMA it is refused, with what turns EMA on."""
    base = tmp_path / "base.yaml"
    base.write_text("base: recipes/light_10ep.yaml\nmodel: {name: resnet_20}\n")
    bare = tmp_path / "bare.yaml"
    bare.write_text(f"base: base.yaml\nalgorithms:\n  {name}:\n")
    if name == "channels_last":  # the one algorithm that this recipe sets
        assert name not in load_spec(bare).algorithms
        assert "no base sets" in refusal(bare, f"algorithms.{name}=null")
        return
    said = refusal(bare)
    assert f"{bare}: key 'algorithms.{name}': null takes out what a base sets, and no base sets '{name}'" in said
    assert f"'{name}: {{}}'" in said
    base.write_text(base.read_text() + f"algorithms: {json.dumps({name: least_settings(name, teacher)})}\n")
    assert name in load_spec(base).algorithms
    assert name not in load_spec(bare).algorithms


@PROPERTY
@given(st.sets(st.sampled_from(sorted(ALGORITHMS))), st.data())
def test_taking_out_equals_leaving_out(
    tmp_path_factory: pytest.TempPathFactory, teacher: Path, names: set[str], data: st.DataObject
) -> None:
    assume(not any({first, second} <= names for first, second, _ in CONFLICTS))
    out = data.draw(st.sets(st.sampled_from(sorted(names)))) if names else set()
    folder = tmp_path_factory.mktemp("layer")
    algorithms: dict[str, Any] = {name: least_settings(name, teacher) for name in sorted(names)}
    plain = "recipes/plain_30ep.yaml"
    whole = write(folder, {"model": {"name": "resnet_20"}, "algorithms": algorithms}, plain)
    taken = load_spec(whole, [f"algorithms.{name}=null" for name in sorted(out)])
    left = {name: settings for name, settings in algorithms.items() if name not in out}
    assert taken == load_spec(write(folder, {"model": {"name": "resnet_20"}, "algorithms": left}, plain))


def test_null_takes_an_option_of_the_model_out(tmp_path: Path) -> None:
    path = write(tmp_path, {"model": {"name": "ghost_resnet_20", "options": {"ratio": 3, "blocks": 5}}})
    assert load_spec(path, ["model.options.ratio=null"]).model.options == {"blocks": 5}
    assert "no base sets 'x'" in refusal(path, "model.options.x=null")
    assert "no base sets 'ratio'" in refusal(path, "model={name: resnet_20, options: {ratio: null}}")


def test_every_open_mapping_of_the_schema_is_known() -> None:
    """A mapping of free names that is added to the schema is asked for its nulls too."""
    assert {path for path, annotation in FIELDS.items() if getattr(annotation, "__origin__", None) is dict} == set(OPEN)


def test_bare_arms_are_no_ablation(tmp_path: Path) -> None:
    assert "key 'arms'" in refusal(write(tmp_path, {"arms": None}))


@pytest.mark.parametrize("value", ["{a: 1}", "[1]"])
def test_an_option_that_is_no_plain_value_is_refused_in_one_line(value: str) -> None:
    said = refusal(RESNET, f"model.options.blocks={value}")
    assert said.startswith("the command line: key 'model.options.blocks': ")
    assert said.endswith("allowed is a number, a text, true or false")
