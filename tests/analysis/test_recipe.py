"""Recipe fields: every key of a recipe's identity, when changed, changes a field; keys of tomorrow are covered too."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import Field, ValidationError

from algorithms.registry import ALGORITHMS
from bench.algorithm_settings import validate_settings
from bench.analysis.identity import recorded_identity, renamed
from bench.analysis.recipe import FIELD_OF, RECIPE_FIELDS, WORDS, declared_fields, field_names
from bench.analysis.run_groups import common_recipe, differing, group_runs, same_network
from bench.records import read_runs
from bench.spec import RunSpec, Section, recipe_hash, recipe_identity
from bench.tables import notes
from bench.util.errors import BadInput
from tests.fake_runs import write_fake_run
from tests.teachers import least_settings

REPORTS = Path(__file__).resolve().parents[2] / "reports"
BASE: dict[str, Any] = {
    "model": {"name": "ghost_resnet_20", "options": {"ratio": 3}},
    "batch_size": 128,
    "max_duration": "10ep",
    "optimizer": {"name": "sgd", "lr": 0.1},
}


def words_of(schema: Any) -> set[Any]:
    """Return every word that a JSON schema allows by name."""
    if isinstance(schema, list):
        return {word for item in schema for word in words_of(item)}
    if not isinstance(schema, Mapping):
        return set()
    own = {*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())}
    return own.union(*(words_of(item) for item in schema.values()))


# What a key may be changed to, whatever its type: tried until the schema allows one that says something else.
NUMBERS = (3, 7, 0.123456789, 0.1234567891, 1e-6, True, False)
TEXTS = ("7ep", "3ba", "0.5dur", "resnet_32", "another", None)
LISTS = (["3ep"], ["3ep", "0.5dur"], [[0.5, 24], [1.0, 32]], [[1.0, 24]])
VALUES = (*NUMBERS, *TEXTS, *LISTS, *sorted(words_of(RunSpec.model_json_schema()), key=str))


def kinds_of(annotation: Any) -> list[type[Section]]:
    """Return the sections that a key may hold: several for a key that has kinds, none for plain data."""
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, Section) else []
    return [kind for part in get_args(annotation) for kind in kinds_of(part)]


def least(kind: type[Section]) -> dict[str, Any]:
    """Return a section with its name and the keys that have no default, which are numbers and lists of durations."""
    names = get_args(kind.model_fields["name"].annotation)
    required = {name: field.annotation for name, field in kind.model_fields.items() if field.is_required()}
    return {**{name: least_value(annotation) for name, annotation in required.items()}, "name": names[0]}


def least_value(annotation: Any) -> Any:
    """Return a value of a key that has no default: a section of the first kind, a list of durations, a number."""
    kinds = kinds_of(annotation)
    return least(kinds[0]) if kinds else ["9ep"] if get_origin(annotation) is list else 0.1


def each_kind() -> Iterator[RunSpec]:
    """Yield a spec for each kind of each section that has several: the optimizers, and what may follow them."""
    for name, field in RunSpec.model_fields.items():
        kinds = kinds_of(field.annotation)
        for kind in kinds if len(kinds) > 1 else ():
            yield RunSpec.model_validate({**BASE, name: least(kind)})


def flat(content: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of all values in nested content."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from flat(value, (*above, key))
        else:
            yield (*above, key)


def replaced(content: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return nested content with one value replaced."""
    head, *rest = path
    return {**content, head: replaced(content[head], tuple(rest), value) if rest else value}


def variants(spec: RunSpec, path: tuple[str, ...]) -> list[RunSpec]:
    """Return valid specs that differ from a spec, and from each other, at one key."""
    found = {recipe_hash(spec): spec}
    for value in VALUES:
        try:
            other = RunSpec.model_validate(replaced(spec.model_dump(mode="json"), path, value))
        except ValidationError:
            continue
        found[recipe_hash(other)] = other
    return list(found.values())


def fields_of(spec: RunSpec) -> tuple[str, ...]:
    """Return a spec's recipe fields as its record would show them."""
    return tuple(declared_fields(spec.model_dump(mode="json")).values())


KEYS = [
    pytest.param(spec, path, id=f"{spec.optimizer.name} {spec.schedule.name} {'.'.join(path)}")
    for spec in each_kind()
    for path in flat(recipe_identity(spec))
]


@pytest.mark.parametrize(("spec", "path"), KEYS)
def test_every_key_of_the_identity_changes_a_field(spec: RunSpec, path: tuple[str, ...]) -> None:
    specs = variants(spec, path)
    kinds = kinds_of(RunSpec.model_fields[path[0]].annotation)
    if path[-1] == "name" and len(kinds) > 1:
        specs = [RunSpec.model_validate({**BASE, path[0]: least(kind)}) for kind in kinds]
    assert len(specs) > 1, f"no other value of {path} is known to this test: add one to VALUES"
    assert len({fields_of(other) for other in specs}) == len({recipe_hash(other) for other in specs})


TEACHERS = ({"path": "x", "network": "resnet_56"}, {"path": "x", "network": "resnet_56", "sha256": "9" * 64})


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_and_setting_changes_the_field(name: str) -> None:
    least = least_settings(name)
    chosen = [{}, {name: validate_settings(name, least)}]
    for setting in ALGORITHMS[name].settings:
        known = len(chosen)
        for value in (*VALUES, 5, 0.25, "0.9dur", "norm", "value", "crop", "resize", *TEACHERS):
            try:
                chosen.append({name: validate_settings(name, {**least, setting: value})})
            except BadInput:
                continue
        assert len(chosen) > known, f"no other value of {setting} is known to this test"
    specs = [RunSpec.model_validate({**BASE, "algorithms": algorithms}) for algorithms in chosen]
    assert len({fields_of(spec) for spec in specs}) == len({recipe_hash(spec) for spec in specs}) > 1


def test_an_option_of_the_model_changes_a_field() -> None:
    options: tuple[dict[str, Any], ...] = (
        {},
        {"ratio": 4},
        {"ratio": 3, "stem": "cifar"},
        {"ratio": 3, "init": "dirac"},
        {"ratio": 3},
    )
    specs = [RunSpec.model_validate({**BASE, "model": {"name": "ghost_resnet_20", "options": o}}) for o in options]
    assert len({fields_of(spec) for spec in specs}) == len(specs)


def test_no_words_are_left_for_keys_that_are_gone() -> None:
    known = {
        ".".join(path[: depth + 1]) for spec in each_kind() for path in flat(spec.model_dump()) for depth in range(3)
    }
    assert {*FIELD_OF, *WORDS} <= known | {"algorithms"}


class Warming(Section):
    """A section of tomorrow."""

    name: Literal["slow", "fast"] = "slow"
    share: float = 0.5


class Adam9(Section):
    """An optimizer of tomorrow, with a key that another optimizer has words for."""

    name: Literal["adam9"]
    lr: float
    momentum: float = 0.9
    boldness: float = 0.3


class TomorrowsModel(Section):
    """A model section with one key more."""

    name: str
    stem: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    init: str = "usual"


class Tomorrow(RunSpec):
    """A schema with keys that nobody has thought of yet."""

    optimizer: Adam9 = Field()  # type: ignore[assignment]
    model: TomorrowsModel = Field()  # type: ignore[assignment]
    warming: Warming = Warming()
    patience_of_mind: int = 3


TOYS = {
    "warming.name": "fast",
    "warming.share": 0.25,
    "patience_of_mind": 4,
    "optimizer.momentum": 0.5,
    "optimizer.boldness": 0.5,
    "model.init": "dirac",
}


@pytest.mark.parametrize("key", TOYS)
def test_a_key_of_tomorrow_is_compared_without_a_word_on_it_here(key: str) -> None:
    base = Tomorrow.model_validate({**BASE, "optimizer": {"name": "adam9", "lr": 0.1}}).model_dump(mode="json")
    other = replaced(base, tuple(key.split(".")), TOYS[key])
    ours, theirs = (declared_fields(content, Tomorrow) for content in (base, other))
    assert [name for name in field_names(Tomorrow) if ours[name] != theirs[name]] == [
        {"warming": "warming", "patience_of_mind": "patience of mind"}.get(key.partition(".")[0], key.partition(".")[0])
    ]


def test_what_an_older_record_lacks_has_the_schemas_default() -> None:
    old = next(record for record in read_runs(REPORTS / "runs") if record.run_id.startswith("readme/"))
    assert "num_ops" not in old.spec["augmentation"]
    assert old.spec["optimizer"]["decay_norm_bias"] is True, "which is decay: all today"
    today = RunSpec.model_validate(renamed(old.spec))
    assert today.optimizer.model_dump()["decay"] == "all"
    assert recorded_identity(old.spec) == recipe_identity(today)
    assert declared_fields(old.spec) == declared_fields(today.model_dump(mode="json"))


def test_keys_of_other_tools_are_no_part_of_the_identity() -> None:
    spec = RunSpec.model_validate(BASE)
    content = spec.model_dump(mode="json")
    assert recorded_identity({**content, "composer_version": "0.32.1"}) == recipe_identity(spec)


def test_an_older_and_a_newer_record_of_one_recipe_are_one_run_group(tmp_path: Path) -> None:
    write_fake_run(tmp_path, "resnet_20", 0, result={"recipe": "0ld0ld0l"})
    write_fake_run(tmp_path, "resnet_20", 1)
    (run_group,), repeated = group_runs(read_runs(tmp_path))
    assert (len(run_group.runs), repeated) == (2, [])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"augmentation": {"policy": "rand_augment", "magnitude": 15}}, "augmentation"),
        ({"augmentation": {"policy": "rand_augment", "num_ops": 3}}, "augmentation"),
        ({"optimizer": {"name": "adamw", "lr": 0.001, "eps": 1e-6}}, "optimizer"),
    ],
)
def test_recipes_that_differ_in_strength_alone_are_no_noise(tmp_path: Path, changes: Any, field: str) -> None:
    usual: dict[str, Any] = {"augmentation": {"policy": "rand_augment"}, "optimizer": {"name": "adamw", "lr": 0.001}}
    write_fake_run(tmp_path, "resnet_20", 0, **{key: usual[key] for key in changes})
    write_fake_run(tmp_path, "resnet20_no_eca", 0, **changes)
    (one, other), _ = group_runs(read_runs(tmp_path))
    assert one.fingerprint == other.fingerprint
    assert not same_network(one, other)
    assert differing(one, other, ignore=("model",)) == [field]
    assert notes.network_notes([one, other]) == {}


def test_one_budget_of_two_lengths_is_no_noise(tmp_path: Path) -> None:
    for name, steps in (("resnet_20", 400), ("resnet20_no_eca", 500)):
        training = {"steps": steps, "samples": steps * 2048, "flops": 1, "epochs": 4}
        budget: dict[str, Any] = {"budget": "0.1 PFLOP", "max_duration": f"{steps}ba"}
        write_fake_run(tmp_path, name, 0, result={"training": training}, **budget)
    (one, other), _ = group_runs(read_runs(tmp_path))
    assert one.recipe_fields["steps"] == other.recipe_fields["steps"] == "as 0.1 PFLOP allows"
    assert not same_network(one, other)


def test_a_section_without_words_is_not_mentioned_where_it_is_usual(tmp_path: Path) -> None:
    write_fake_run(tmp_path, "resnet_20", 0)
    run_groups, _ = group_runs(read_runs(tmp_path))
    common = common_recipe(run_groups)
    assert set(common) == set(RECIPE_FIELDS)
    shown = notes.recipe_line({**common, "algorithms": "default"}).english()
    assert "precision: amp_fp16" in shown
    assert "algorithms" not in shown
    assert "model" not in shown
