"""Which YAML of the suite a recorded recipe comes nearest to, how it differs from it, and the command that repeats it.

The command is not guessed: the spec that it declares is made and must have the recorded recipe's identity.
"""

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from bench.analysis.identity import recorded_identity, schema_defaults
from bench.analysis.recipe import number_text
from bench.config import YAMLS, Reader, as_bases, find_base, load_spec, read_layers, read_yaml, spec_from_layers
from bench.records import RunRecord
from bench.spec import WEIGHTS_PATHS, recipe_identity
from bench.util.errors import BadInput, first_line

# Sections of several kinds, whose settings are declared together where the kind is another one.
SECTIONS = ("optimizer", "schedule")
# A model without a YAML of its own is named over this one.
ANY_MODEL = "resnet_20"
Leaves = Mapping[str, Any]


@dataclass(frozen=True)
class Nearest:
    """A model's YAML with one of the recipes (None: its own), and the overrides that make it a recorded recipe."""

    file: str
    recipe: str | None
    overrides: tuple[str, ...]
    # Why the overrides do not give the recorded recipe; empty where they do.
    why: str = ""

    @property
    def source(self) -> str:
        """Return the file that holds the recipe."""
        return f"yamls/{self.recipe or self.file}"

    def command(self, record: RunRecord) -> str | None:
        """Return the command that repeats a run of this recipe, None where none of this version does."""
        if self.why:
            return None
        machine = (record.result or {}).get("machine") or {}
        threads = [f"threads={machine['threads']}"] if machine.get("device") == "cpu" and "threads" in machine else []
        words = [f"base={self.recipe}"] if self.recipe else []
        words += [*self.overrides, *threads, f"experiment={record.path.parent.name}", f"seed={record.seed}"]
        launch = f"composer -n {int(machine.get('world_size') or 1)} bench/train.py -f yamls/{self.file}"
        return f"{launch} {shlex.join(words)}"


@dataclass(frozen=True)
class Recipes:
    """The YAML files below a folder, each read once."""

    folder: Path = YAMLS

    @cached_property
    def declared(self) -> Callable[[str, str | None], dict[str, Any]]:
        """Return the function that tells which identity a model's YAML declares by a recipe, each computed once."""
        return cache(partial(declared_identity, self.folder, cache(read_yaml)))

    @cached_property
    def models(self) -> frozenset[str]:
        """Return the models that have a YAML of their own."""
        return frozenset(path.stem for path in self.folder.glob("*.yaml"))

    @cached_property
    def names(self) -> list[str]:
        """Return the shared recipes by their path below the folder."""
        return [f"recipes/{path.name}" for path in sorted((self.folder / "recipes").glob("*.yaml"))]

    def nearest(self, record: RunRecord) -> Nearest:
        """Return what declares a recorded recipe with the fewest overrides."""
        # A record may come from a stranger: its model names a file only if the folder lists that.
        file = f"{record.model}.yaml" if record.model in self.models else f"{ANY_MODEL}.yaml"
        wanted = flat(recorded_identity(record.spec)) | weights_paths(record)
        defaults = flat(schema_defaults(record.spec))
        declared = {recipe: self.declared(file, recipe) for recipe in (None, *self.names)}
        found = [
            Nearest(file, recipe, overrides(flat(one), wanted, defaults)) for recipe, one in declared.items() if one
        ]
        best = min(found, key=lambda nearest: len(nearest.overrides) + (nearest.recipe is not None))
        return Nearest(best.file, best.recipe, best.overrides, self.refusal(best, record))

    def refusal(self, nearest: Nearest, record: RunRecord) -> str:
        """Return why a command does not declare a recorded recipe; empty where it does."""
        base = [f"base={nearest.recipe}"] if nearest.recipe else []
        try:
            spec = load_spec(self.folder / nearest.file, [*base, *nearest.overrides])
        except BadInput as error:
            return first_line(error)
        declared, recorded = flat(recipe_identity(spec)), flat(recorded_identity(record.spec))
        differs = sorted(key for key in {*declared, *recorded} if declared.get(key) != recorded.get(key))
        return f"this version declares another {', '.join(differs)}" if differs else ""

    def texts(self, name: str) -> dict[str, str]:
        """Return a YAML file of the folder as it stands, and after it the files that it is based on."""
        path = self.folder / name
        found = {f"yamls/{name}": path.read_text(encoding="utf-8")}
        for base in as_bases(read_yaml(path).get("base", []), "base", path):
            found |= self.texts(str(find_base(base, path).relative_to(self.folder)))
        return found


def declared_identity(folder: Path, read: Reader, file: str, recipe: str | None) -> dict[str, Any]:
    """Return the identity that a model's YAML in a folder declares by a recipe, before budgets become durations.

    Empty for a recipe that is a part of one.
    """
    try:
        layers = read_layers(folder / file, [f"base={recipe}"] if recipe else [], read=read)
        return recipe_identity(spec_from_layers(layers, resolve=False))
    except BadInput:
        return {}


def flat(content: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return nested content by dotted keys; an empty mapping stays a value."""
    result: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            result |= flat(value, f"{above}{key}.")
        else:
            result[f"{above}{key}"] = value
    return result


def weights_paths(record: RunRecord) -> dict[str, Any]:
    """Return where a record had the weights that it started or learned from, by dotted keys: a command must say it."""
    recorded = flat(record.spec)
    return {key: recorded[key] for key in WEIGHTS_PATHS if key in recorded}


def overrides(declared: Leaves, wanted: Leaves, defaults: Leaves) -> tuple[str, ...]:
    """Return the `key=value` words that turn a declared identity into the wanted one.

    A section of another kind starts from that kind's defaults.
    """
    names = {f"{section}.name" for section in SECTIONS}
    changed = {name.partition(".")[0] for name in names if declared.get(name) != wanted.get(name)}
    below = {key: value for key, value in declared.items() if key.partition(".")[0] not in changed}
    below |= {key: value for key, value in defaults.items() if key.partition(".")[0] in changed and key not in names}
    words = [
        f"{key}={yaml_text(value)}"
        for key, value in wanted.items()
        if key not in ("algorithms", "model.options") and below.get(key) != value
    ]
    return (*words, *removed_algorithms(declared, wanted))


def removed_algorithms(declared: Leaves, wanted: Leaves) -> list[str]:
    """Return the words that leave out the algorithms which only the declared identity has."""
    here, there = (
        dict.fromkeys(key.split(".")[1] for key in leaves if key.startswith("algorithms."))
        for leaves in (declared, wanted)
    )
    return [f"algorithms.{name}=null" for name in here if name not in there]


def yaml_text(value: Any) -> str:
    """Return a value as YAML that fits into one word of a command line."""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, list | Mapping | bool) or value is None else number_text(value)
