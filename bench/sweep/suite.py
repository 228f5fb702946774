"""A suite's YAML, which names models, recipes and seeds: read, validated and expanded into the specs of its runs.

    name: small_10ep                      # also the runs' experiment, and their folder: runs/small_10ep/
    models:                               # files beside the suite or below yamls/
      - resnet_20.yaml
      - {file: ablations/ghost_ratio.yaml, arms: [none, ratio2], overrides: {seed: 0}}
    recipes: [recipes/light_10ep.yaml]    # each model with each of them; default: the model's own
    seeds: [0, 1, 2]
    overrides: {budget: 0.1 PFLOP}        # changes to every run, as in a run's YAML
    processes: 1                          # of each run, the launcher's -n
    workers: auto                         # runs at a time
    timing: false                         # true: one run at a time, after an A/A calibration

An ablation without `arms` contributes all of its arms. A model's own overrides come after the suite's, and
`key=value` of the command line after both. Runs are ordered by seed, so that every model has a result early.
"""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field, ValidationError, field_validator

from bench.config import YAMLS, parse_overrides, read_layers, read_yaml, spec_from_layers
from bench.layers import merge
from bench.records import run_directory
from bench.schedule import durations
from bench.spec import RunSpec, SafeName, Section
from bench.util.errors import BadInput, nearest, unknown

# Keys of a run that the suite sets, and the key of the suite that decides them.
DECIDED = {"seed": "seeds", "experiment": "experiment", "runs": "runs", "threads": "workers"}
DURATIONS = ("budget", "max_duration")
MAX_SEED = 2**31 - 1


class ModelEntry(Section):
    """A model's YAML, or an ablation's with some of its arms, and overrides."""

    file: str = Field(min_length=1)
    arms: list[str] | None = Field(default=None, min_length=1)
    overrides: dict[str, Any] = Field(default_factory=dict)


class Suite(Section):
    """A suite as declared."""

    name: SafeName
    models: list[ModelEntry] = Field(min_length=1)
    recipes: list[str] = Field(default_factory=list)
    seeds: list[int] = Field(default=[0], min_length=1)
    overrides: dict[str, Any] = Field(default_factory=dict)
    experiment: SafeName | None = None
    runs: str = "runs"
    processes: int = Field(default=1, ge=1)
    workers: int | str = "auto"
    timing: bool = False

    @field_validator("models", mode="before")
    @classmethod
    def _as_entries(cls, models: Any) -> Any:
        """Return the entries, a plain file name as an entry of that file."""
        named = isinstance(models, list)
        return [{"file": entry} if isinstance(entry, str) else entry for entry in models] if named else models

    @field_validator("workers")
    @classmethod
    def _check_workers(cls, workers: int | str) -> int | str:
        """Refuse what is neither auto nor a number of runs."""
        if workers != "auto" and not (isinstance(workers, int) and workers >= 1):
            raise ValueError("allowed is auto, or a number of at least 1")
        return workers

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, seeds: list[int]) -> list[int]:
        """Refuse duplicate seeds and seeds out of range."""
        if len(set(seeds)) < len(seeds) or not all(0 <= seed <= MAX_SEED for seed in seeds):
            raise ValueError(f"allowed are distinct numbers from 0 to {MAX_SEED}")
        return seeds

    @property
    def folder(self) -> Path:
        """Return the folder of the suite's own files: logs, failures, specs, the measured speed of the machine."""
        return Path(self.runs).expanduser().resolve() / self.name

    @property
    def runs_folder(self) -> Path:
        """Return the folder of the suite's runs and of the noise floor, which tables look for beside the runs."""
        return self.folder.with_name(self.experiment or self.name)


@dataclass(frozen=True)
class PlannedRun:
    """One run of a suite: its resolved spec, its directory, and the words by which a user trains it alone."""

    spec: RunSpec
    path: Path
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return `<experiment>/<run>`, the id of the run."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def label(self) -> str:
        """Return the run's name without the experiment."""
        return self.path.name


def show_command(run: PlannedRun, processes: int) -> str:
    """Return the command by which a user trains a run alone."""
    return shlex.join(["composer", "-n", str(processes), "bench/train.py", *run.words])


@dataclass(frozen=True)
class Invalid:
    """A model of a suite that cannot be trained as declared, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """An expanded suite: its runs in order of execution, its invalid models, and the number of duplicate runs."""

    suite: Suite
    source: str
    runs: tuple[PlannedRun, ...]
    invalid: tuple[Invalid, ...] = ()
    repeated: int = 0


def read_suite(path: Path, overrides: Sequence[str] = ()) -> tuple[Suite, tuple[str, ...]]:
    """Return a suite, and those of the overrides that are for its runs.

    Raises BadInput naming file, key, value and what is allowed.
    """
    own = [word for word in overrides if word.partition("=")[0].partition(".")[0] in Suite.model_fields]
    changes = tuple(word for word in overrides if word not in own)
    check_decided(parse_overrides(changes), "the command line")
    content = merge(read_yaml(path), parse_overrides(own))
    try:
        suite = Suite.model_validate(content)
    except ValidationError as error:
        raise BadInput("\n".join(describe(item, path) for item in error.errors())) from None
    check_suite(suite, path)
    return suite, changes


def describe(item: Mapping[str, Any], path: Path) -> str:
    """Return the message for one validation error of a suite."""
    keys = [str(part) for part in item["loc"] if part not in ("int", "str")]
    where = f"{path}: key '{'.'.join(keys)}'"
    if item["type"] == "extra_forbidden":
        allowed = ModelEntry.model_fields if len(keys) > 1 else Suite.model_fields
        return f"{where}: unknown key.{nearest(keys[-1], allowed)} Allowed: {', '.join(sorted(allowed))}."
    if item["type"] == "missing":
        return f"{where} is missing and has no default"
    return f"{where}: {item['input']!r}: {item['msg'].removeprefix('Value error, ')}"


def check_suite(suite: Suite, path: Path) -> None:
    """Raise BadInput for what the schema cannot check: missing files, keys that the suite sets, timing with workers."""
    check_decided(suite.overrides, f"{path}: key 'overrides'")
    for index, entry in enumerate(suite.models):
        find_yaml(entry.file, path, f"models.{index}")
        check_decided(entry.overrides, f"{path}: key 'models.{index}.overrides'")
    for index, recipe in enumerate(suite.recipes):
        find_yaml(recipe, path, f"recipes.{index}")
    if suite.timing and suite.workers not in ("auto", 1):
        raise BadInput(f"{path}: key 'workers': {suite.workers}: with timing: true each run is trained alone")


def check_decided(overrides: Mapping[str, Any], where: str) -> None:
    """Raise BadInput for a key that the suite sets for each run."""
    for key in overrides:
        if key in DECIDED:
            raise BadInput(f"{where}: '{key}' is set by the suite: use the suite's key '{DECIDED[key]}'")


def find_yaml(name: str, path: Path, key: str) -> Path:
    """Return the path of a file that a suite names, beside the suite or in `yamls/`; relative if it can be."""
    for folder in (path.parent, YAMLS):
        found = (folder / name).resolve()
        if found.is_file():
            return found.relative_to(Path.cwd()) if found.is_relative_to(Path.cwd()) else found
    known = [str(item.relative_to(YAMLS)) for item in sorted(YAMLS.glob("**/*.yaml"))]
    raise BadInput(f"{path}: key '{key}': there is no file '{name}'.{nearest(name, known)}")


def plan_suite(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """Return a suite expanded into its runs, by seed; invalid models are listed apart.

    Raises BadInput for an invalid suite, and if none of its models can be trained.
    """
    suite, changes = read_suite(path, overrides)
    chosen = list(variants(suite, path, changes))
    runs: dict[Path, PlannedRun] = {}
    invalid: dict[str, Invalid] = {}
    for seed in suite.seeds:
        for variant in chosen:
            try:
                run = plan_run(suite, path, variant, seed)
                runs.setdefault(run.path, run)
            except BadInput as error:
                invalid[variant.name] = Invalid(variant.name, str(error))
    if not runs:
        raise BadInput("\n".join(dict.fromkeys(item.reason for item in invalid.values())))
    named = (len(chosen) - len(invalid)) * len(suite.seeds)
    return Plan(suite, str(path), tuple(runs.values()), tuple(invalid.values()), named - len(runs))


class Variant(NamedTuple):
    """What is trained with each seed: a file, the arm of an ablation, and `key=value` overrides."""

    name: str
    file: Path
    arm: str | None
    words: tuple[str, ...]


def variants(suite: Suite, path: Path, changes: Sequence[str]) -> Iterator[Variant]:
    """Yield the models and arms of a suite with each of its recipes; raise BadInput for an unknown arm."""
    for recipe in suite.recipes or (None,):
        base = [f"base={as_base(find_yaml(recipe, path, 'recipes'))}"] if recipe else []
        for index, entry in enumerate(suite.models):
            file = find_yaml(entry.file, path, f"models.{index}")
            levels = (to_words(suite.overrides), to_words(entry.overrides), changes)
            for arm in arms_of(entry, file, f"{path}: key 'models.{index}.arms'"):
                name = " ".join([entry.file, *([f"--arm {arm}"] if arm else []), *([recipe] if recipe else [])])
                yield Variant(name, file, arm, (*base, *settle(levels)))


def as_base(recipe: Path) -> Path:
    """Return a recipe's path for `base=`, valid for any file: relative to `yamls/` if it is in there, else absolute."""
    whole = recipe.resolve()
    return whole.relative_to(YAMLS) if whole.is_relative_to(YAMLS) else whole


def arms_of(entry: ModelEntry, file: Path, where: str) -> Sequence[str | None]:
    """Return the arms of an entry; a file that is no ablation, or cannot be read, has the single arm None."""
    try:
        arms = read_yaml(file).get("arms")
    except BadInput:
        return [None]
    if not isinstance(arms, Mapping):
        if entry.arms:
            raise BadInput(f"{where}: {file} is not an ablation: it has no arms")
        return [None]
    for arm in entry.arms or ():
        if arm not in arms:
            raise BadInput(f"{where}: {unknown('arm', arm, arms)}")
    return entry.arms or list(arms)


def to_words(overrides: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return nested overrides as `key=value` words; values are written as JSON, a subset of YAML."""
    words = []
    for key, value in overrides.items():
        if isinstance(value, Mapping) and value:
            words += to_words(value, f"{prefix}{key}.")
        else:
            words.append(f"{prefix}{key}={value if isinstance(value, str) else json.dumps(value)}")
    return words


def settle(levels: Sequence[Sequence[str]]) -> list[str]:
    """Return the words of all levels (lowest precedence first); a budget or duration replaces any of a lower level."""
    words: list[str] = []
    for level in levels:
        if any(is_duration(word) for word in level):
            words = [word for word in words if not is_duration(word)]
        words += level
    return words


def is_duration(word: str) -> bool:
    """Tell whether a word sets the length of a run."""
    return word.partition("=")[0] in DURATIONS


def plan_run(suite: Suite, path: Path, variant: Variant, seed: int) -> PlannedRun:
    """Return a run; its words state the duration that a budget amounts to, so that the command is explicit."""
    words = [*variant.words, f"experiment={suite.experiment or suite.name}", f"runs={suite.runs}", f"seed={seed}"]
    *below, (_, changes) = read_layers(variant.file, words, variant.arm)
    spec = spec_from_layers([*below, (f"{path} (its overrides, or the command line)", changes)])
    if spec.budget:
        lengths = {key: spec.schedule.model_dump(mode="json")[key] for key, _ in durations(spec.schedule)}
        resolved = {"budget": spec.budget, "max_duration": str(spec.max_duration), "schedule": lengths}
        replaced = {*DURATIONS, *(f"schedule.{key}" for key in lengths)}
        words = [word for word in words if word.partition("=")[0] not in replaced]
        words += to_words(resolved)
    arm = ("--arm", variant.arm) if variant.arm else ()
    return PlannedRun(spec, run_directory(spec), ("-f", str(variant.file), *arm, *words))
