"""Read a run's YAML: merge its bases, the file and the overrides, validate, freeze. The one place where YAML is read.

    spec = load_spec(Path("yamls/resnet_20.yaml"), ["max_duration=2ep", "seed=3"])

Order of precedence: every file named under `base:` (paths relative to the file that names them, or to `yamls/`), then
the file itself, then the arm of an ablation, then the overrides. `base:` in an arm or among the overrides replaces the
file's own bases. `budget:` may stand in place of `max_duration:` (`bench.budget`).
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from bench.algorithm_settings import validate_algorithms
from bench.budget import PLACEHOLDER, find_budget, resolve_budget
from bench.engines.registry import ENGINES
from bench.layers import Layers, merge, merge_layers, unknown_key
from bench.pretrained import resolve_weights
from bench.schedule import Refused, check_units, shares
from bench.spec import (
    SCHEDULE_SECTIONS,
    AblationSection,
    AdamWSection,
    MuonSection,
    RunSpec,
    Section,
    SGDSection,
)
from bench.util.errors import BadInput, first_line, nearest, unknown
from bench.util.yaml_safety import UNREADABLE, check_aliases
from bench.zoo.models import MODELS

OPTIMIZERS: dict[Any, type[Section]] = {"sgd": SGDSection, "adamw": AdamWSection, "muon": MuonSection}
# Sections whose `name` says which of several kinds they are.
KINDS: dict[str, Mapping[Any, type[Section]]] = {
    "optimizer": OPTIMIZERS,
    "rest": {name: kind for name, kind in OPTIMIZERS.items() if name != "muon"},
    "schedule": SCHEDULE_SECTIONS,
}
YAMLS = Path(__file__).resolve().parent.parent / "yamls"
Reader = Callable[[Path], Mapping[str, Any]]


def load_spec(path: Path | str, overrides: Sequence[str] = (), arm: str | None = None) -> RunSpec:
    """Return the validated, frozen spec of a YAML file, or of one arm of an ablation, with `key=value` overrides.

    Raises BadInput that names the file, the key, the value and what is allowed.
    """
    return spec_from_layers(read_layers(Path(path), overrides, arm))


def load_arms(path: Path | str, overrides: Sequence[str] = (), *, resolve: bool = True) -> dict[str, RunSpec]:
    """Return the specs of all arms of an ablation in the order of the file; empty for a file without `arms:`.

    Unless it is to `resolve` them, one that declares a budget keeps it and has no duration of its own, and paths of
    weights stay as they are: no network is counted, and no run is needed.
    """
    read: Reader = cache(read_yaml)
    arms = read(Path(path)).get("arms")
    names = arms if isinstance(arms, Mapping) else ()
    return {name: spec_from_layers(read_layers(Path(path), overrides, name, read), resolve=resolve) for name in names}


def read_ablation(path: Path) -> AblationSection:
    """Return what the file of an ablation says beside its arms and their recipe."""
    return split_ablation(read_yaml(path), path)[0]


def split_ablation(top: Mapping[str, Any], path: Path) -> tuple[AblationSection, dict[str, Any]]:
    """Return what the file of an ablation says for tables, and the rest of it; raise BadInput for a name of no arm."""
    said = {key: value for key, value in top.items() if key in AblationSection.model_fields}
    rest = {key: value for key, value in top.items() if key not in said}
    try:
        section = AblationSection.model_validate(said)
    except ValidationError as error:
        raise BadInput("\n".join(describe(item, [(str(path), said)]) for item in error.errors())) from None
    arms = rest.get("arms")
    for key, names, known in (
        ("labels", section.labels, [*(arms if isinstance(arms, Mapping) else ()), *section.other_names]),
        ("other_names", section.other_names.values(), arms if isinstance(arms, Mapping) else ()),
    ):
        for name in names:
            if name not in known:
                raise BadInput(f"{path}: key '{key}': {unknown('arm', name, known)}")
    return section, rest


def read_layers(
    path: Path, overrides: Sequence[str] = (), arm: str | None = None, read: Reader | None = None
) -> Layers:
    """Return the mappings that make up a spec, lowest precedence first, each with the name of its source.

    `read` reads one file, `read_yaml` where it is not given.
    """
    read = read or read_yaml
    changes = parse_overrides(overrides)
    top = dict(read(path))
    if "arms" in top:
        _, top = split_ablation(top, path)
    differences = choose_arm(top.pop("arms", None), arm, path) if "arms" in top or arm is not None else {}
    named = [layer.pop("base") for layer in (top, differences, changes) if "base" in layer]
    bases = as_bases(named[-1], "base", path) if named else []
    layers: Layers = []
    for base in bases:
        layers += read_base(base, path, (path.resolve(),), read)
    layers.append((str(path), top))
    if differences:
        layers.append((f"{path}: arm '{arm}'", differences))
    if changes:
        layers.append(("the command line", changes))
    return layers


def choose_arm(arms: Any, arm: str | None, path: Path) -> dict[str, Any]:
    """Return what an ablation's arm changes in its base: nothing for a file that is no ablation."""
    if not isinstance(arms, Mapping) or not arms:
        raise BadInput(f"{path}: key 'arms': a mapping of names to differences is expected, found {arms!r}")
    if arm is None:
        raise BadInput(f"{path} is an ablation: choose one of its arms with --arm ({', '.join(arms)})")
    if arm not in arms:
        raise BadInput(f"{path}: {unknown('arm', arm, arms)}")
    if not isinstance(arms[arm], Mapping):
        raise BadInput(f"{path}: key 'arms.{arm}': a mapping of differences is expected, found {arms[arm]!r}")
    return dict(arms[arm])


def read_base(name: str, parent: Path, above: tuple[Path, ...], read: Reader) -> Layers:
    """Return the layers of a base file, its own bases first; refuse a file that is its own base."""
    path = find_base(name, parent)
    if path.resolve() in above:
        raise BadInput(f"{parent}: key 'base': '{name}' includes itself")
    content = dict(read(path))
    layers: Layers = []
    for base in as_bases(content.pop("base", []), "base", path):
        layers += read_base(base, path, (*above, path.resolve()), read)
    return [*layers, (str(path), content)]


def find_base(name: str, parent: Path) -> Path:
    """Return the path of a base file: beside the file that names it, else below `yamls/`."""
    for folder in (parent.parent, YAMLS):
        if os.path.isfile(folder / name):  # noqa: PTH113 (Path.is_file raises for a name that is too long)
            return folder / name
    known = [str(p.relative_to(YAMLS)) for p in sorted(YAMLS.glob("**/*.yaml"))]
    raise BadInput(f"{parent}: key 'base': there is no file '{name}'.{nearest(name, known)}")


def as_bases(value: Any, key: str, path: Path) -> list[str]:
    """Return `base:` as a list of names; accept one name or a list of names."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise BadInput(f"{path}: key '{key}': {value!r} is neither a file name nor a list of file names")
    return names


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML file as a plain mapping; refuse anything but plain data."""
    if not os.path.isfile(path):  # noqa: PTH113 (Path.is_file raises for a name that is too long)
        found = sorted(str(p) for p in path.parent.glob("*.yaml")) if os.path.isdir(path.parent) else []  # noqa: PTH112
        if os.path.isdir(path):  # noqa: PTH112
            raise BadInput(f"{path}: is a folder; a YAML file is expected")
        raise BadInput(f"{path}: there is no such file.{nearest(str(path), found)}")
    try:
        text = path.read_text(encoding="utf-8")
        check_aliases(text, str(path))  # first, as OmegaConf copies what an alias stands for
        return plain_mapping(OmegaConf.load(StringIO(text)), str(path))
    except (OmegaConfBaseException, OSError, *UNREADABLE) as error:
        raise BadInput(f"{path}: cannot be read as YAML: {first_line(error)}") from None


def plain_mapping(node: Any, source: str) -> dict[str, Any]:
    """Return a loaded YAML document as nested plain containers with string keys."""
    if not isinstance(node, DictConfig):
        raise BadInput(f"{source}: a mapping of keys to values is expected, found {kind_of(node)}")
    content = OmegaConf.to_container(node, resolve=False)
    if not isinstance(content, dict):
        raise BadInput(f"{source}: a mapping of keys to values is expected, found an empty or missing value")
    check_plain(content, source, "")
    return {str(key): value for key, value in content.items()}


def kind_of(node: Any) -> str:
    """Return what a YAML document that is no mapping holds, in words."""
    return "a list" if OmegaConf.is_list(node) else f"{node!r}"


def check_plain(value: Any, source: str, key: str) -> None:
    """Refuse keys that are no strings and values that would be interpolated (`${…}` could read the environment)."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if not isinstance(name, str):
                raise BadInput(f"{source}: key {name!r} below '{key}' is not a string (quote it)")
            check_plain(item, source, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            check_plain(item, source, f"{key}[{index}]")
    elif isinstance(value, str) and ("${" in value or value == "???"):
        raise BadInput(f"{source}: key '{key}': {value!r}: interpolation is not supported; write the value")
    elif not isinstance(value, str | int | float | bool | None):
        raise BadInput(f"{source}: key '{key}': {value!r} is neither text, number, true/false, list nor mapping")


def parse_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """Return `key=value` words as a nested mapping; values are read as YAML."""
    for word in overrides:
        if "=" not in word or word.startswith(("=", "-")):
            raise BadInput(
                f"override '{word}' is not of the form key=value (for example seed=3 or data.name=shapes100)"
            )
    try:
        for word in overrides:
            key, _, value = word.partition("=")
            check_aliases(value, f"override '{key}'")
        merged = OmegaConf.from_dotlist(list(overrides))
    except (OmegaConfBaseException, *UNREADABLE) as error:
        raise BadInput(f"overrides {' '.join(overrides)!r} cannot be read: {first_line(error)}") from None
    return plain_mapping(merged, "the command line")


def spec_from_layers(layers: Layers, *, resolve: bool = True) -> RunSpec:
    """Merge layers, validate the result and return the frozen spec.

    Unless it is to `resolve` them, no budget becomes a duration, and no path of weights is looked up.
    """
    merged = merge_layers(layers)
    merged["algorithms"] = chosen_algorithms(merged.get("algorithms", {}), layers)
    asked, merged["budget"] = find_budget(layers), None
    if asked is not None:
        reference = validate({"max_duration": PLACEHOLDER, **merged}, layers)
        if not resolve:
            return reference.model_copy(update={"budget": asked.text})
        merged = merge(merged, resolve_budget(asked, reference))
    spec = validate(merged, layers)
    check_schedule(spec, layers)
    return resolve_weights(spec) if resolve else spec


def validate(merged: Mapping[str, Any], layers: Layers) -> RunSpec:
    """Return the spec of merged layers; raise BadInput that names the layer of what is wrong."""
    try:
        spec = RunSpec.model_validate(merged)
    except ValidationError as error:
        raise BadInput("\n".join(dict.fromkeys(describe(item, layers) for item in error.errors()))) from None
    check_names(spec, layers)
    return spec


def chosen_algorithms(value: Any, layers: Layers) -> Any:
    """Return the algorithms, each validated; pass anything malformed on to the schema."""
    if not isinstance(value, Mapping):
        return value
    present = dict(value)
    for name, settings in value.items():
        if not isinstance(settings, Mapping):
            continue
        try:
            present[name] = validate_algorithms({name: settings})[name]
        except BadInput as error:
            raise BadInput(f"{origin(['algorithms', name], layers)}: key 'algorithms': {error}") from None
    return present


def check_names(spec: RunSpec, layers: Layers) -> None:
    """Check what the schema cannot: names in registries, and algorithms that exclude each other."""
    name = spec.model.name
    if not name.startswith("timm/") and name not in MODELS:
        raise BadInput(f"{origin(['model', 'name'], layers)}: key 'model.name': {unknown('model', name, MODELS)}")
    if spec.engine not in ENGINES:
        raise BadInput(f"{origin(['engine'], layers)}: key 'engine': {unknown('engine', spec.engine, ENGINES)}")
    try:
        validate_algorithms(spec.algorithms)
    except BadInput as error:
        raise BadInput(f"{origin(['algorithms'], layers)}: key 'algorithms': {error}") from None


def check_schedule(spec: RunSpec, layers: Layers) -> None:
    """Refuse lengths of a schedule that cannot be set against the run's, or that contradict each other."""
    try:
        check_units(spec)
        with suppress(ValueError):  # epochs beside batches are compared when the data are known
            shares(spec)
    except Refused as error:
        where = origin(["schedule", error.key], layers)
        raise BadInput(f"{where}: {error}") from None


def origin(keys: Sequence[Any], layers: Layers) -> str:
    """Return the name of the last layer that sets a key or the deepest part of its path."""
    for depth in range(len(keys), 0, -1):
        for source, content in reversed(layers):
            if holds(content, keys[:depth]):
                return source
    return layers[-1][0]


def holds(content: Any, keys: Sequence[Any]) -> bool:
    """Tell whether nested mappings hold a path of keys."""
    for key in keys:
        if not isinstance(content, Mapping) or key not in content:
            return False
        content = content[key]
    return True


def describe(item: Mapping[str, Any], layers: Layers) -> str:
    """Word one validation error: the file, the key, the value, what is allowed, the nearest name."""
    keys = yaml_keys(item["loc"])
    key = ".".join(str(part) for part in keys)
    where = f"{origin(keys, layers)}: key '{key}'"
    if item["type"] == "extra_forbidden":
        return f"{where}: {unknown_key(str(keys[-1]), allowed_keys(item['loc']))}"
    if item["type"] == "missing":
        return f"{layers[-1][0]}: key '{key}' is missing and has no default"
    if item["type"].startswith("union_tag"):
        return describe_tag(item, layers)
    if keys[:2] == ["model", "options"] and len(keys) == 3:
        return f"{where}: {item['input']!r}: allowed is a number, a text, true or false"
    return f"{where}: {item['input']!r}: {item['msg'].removeprefix('Value error, ')}{nearest_literal(item)}"


def describe_tag(item: Mapping[str, Any], layers: Layers) -> str:
    """Word the error for a section whose `name` says which of several kinds it is (optimizer, schedule)."""
    section = yaml_keys(item["loc"])
    keys = [*section, "name"]
    allowed = list(KINDS[section[-1]])
    if not isinstance(item["input"], Mapping):
        where = f"{origin(section, layers)}: key '{'.'.join(section)}'"
        return f"{where}: {item['input']!r}: a mapping with a name ({', '.join(allowed)}) is expected"
    name = item["input"].get("name")
    where = f"{origin(keys, layers)}: key '{'.'.join(keys)}'"
    return f"{where}: {name!r}: allowed are {', '.join(allowed)}.{nearest(str(name), allowed)}"


def nearest_literal(item: Mapping[str, Any]) -> str:
    """Return the nearest allowed word when a value had to be one of a few."""
    expected = str(item.get("ctx", {}).get("expected", ""))
    words = [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]
    return nearest(str(item["input"]), words) if expected and isinstance(item["input"], str) else ""


def yaml_keys(location: Sequence[Any]) -> list[Any]:
    """Return pydantic's path of an error as keys of the YAML: the kind of a section, or type, in it is no key."""
    if tuple(location[:2]) == ("model", "options"):
        return list(location[:3])
    above = [None, *location]
    return [key for key, section in zip(location, above, strict=False) if key not in KINDS.get(str(section), {})]


def allowed_keys(location: Sequence[Any]) -> list[str]:
    """Return the keys that the section of an unknown key (the path's last part) takes."""
    if location[0] in KINDS and len(location) > 2:
        return sorted(KINDS[location[0]][location[1]].model_fields)
    section: Any = RunSpec
    for key in location[:-1]:
        section = section.model_fields[key].annotation
    return sorted(section.model_fields)
