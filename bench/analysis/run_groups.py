"""Group run records: one network under one recipe, whose runs differ in the seed alone.

Tables and figures are made of run groups. Their facets say what the recipe was, which rows may be ranked together, and
what has to be said in a footnote.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.records import RunRecord
from bench.zoo.models import MODELS

TIMM_PREFIX = "timm/"
SEVERAL = "several"
Result = Mapping[str, Any]


@dataclass(frozen=True)
class RunGroup:
    """One network under one recipe: its finished runs, of distinct seeds, sorted by seed."""

    records: tuple[RunRecord, ...]

    @property
    def first(self) -> Result:
        """Return the result of the first run, for what all runs share."""
        result = self.records[0].result
        assert result is not None, "a run group is made of finished runs"
        return result

    @property
    def spec(self) -> Result:
        """Return the spec of the first run; the others differ in the seed and in what does not decide the result."""
        return self.records[0].spec

    @property
    def model(self) -> str:
        """Return the model's name in the zoo."""
        return self.records[0].model

    @property
    def runs(self) -> tuple[str, ...]:
        """Return the ids of the runs."""
        return tuple(record.run_id for record in self.records)

    @property
    def fingerprint(self) -> str | None:
        """Return the network's fingerprint, None where it was not recorded."""
        return self.first["model"].get("fingerprint")

    @cached_property
    def label(self) -> str:
        """Return the model's name with the options and the stem that differ from the zoo's row."""
        return " ".join([self.model, *unusual_options(self.spec)])

    @cached_property
    def facets(self) -> dict[str, str]:
        """Return what the recipe was, facet by facet, as text."""
        return {name: facet(self) for name, facet in FACETS.items()}

    def values(self, path: str) -> dict[str, float]:
        """Return run id → number at a dotted path of the results, of the runs that have it."""
        found = ((record.run_id, pick(record.result or {}, path)) for record in self.records)
        return {run: value for run, value in found if value is not None}

    @cached_property
    def precisions(self) -> dict[int, str]:
        """Return seed → the precision that its run computed in, which hardware may have decided (`precision: auto`)."""
        return {record.seed: record.precision for record in self.records}

    def by_seed(self, path: str) -> dict[int, float]:
        """Return seed → number at a dotted path of the results, of the runs that have it."""
        found = ((record.seed, pick(record.result or {}, path)) for record in self.records)
        return {seed: value for seed, value in found if value is not None}


def pick(result: Result, path: str) -> float | None:
    """Return the number at a dotted path ("seconds.train") of a result, or None where there is none."""
    value: Any = result
    for key in path.split("."):
        if not isinstance(value, Mapping) or value.get(key) is None:
            return None
        value = value[key]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def option_values(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's builder options: those of the zoo's row, and over them those of the spec."""
    row = MODELS.get(name)
    return {**(row.options if row else {}), **options}


def default_stem(name: str) -> str:
    """Return the stem a model has when none is named: timm's are made for ImageNet, the others for their 32 pixels."""
    row = MODELS.get(name)
    timm = name.startswith(TIMM_PREFIX) or (row is not None and str(row.builder).startswith("timm_models:"))
    return "imagenet" if timm else "native"


def stem_of(spec: Result) -> str:
    """Return the stem of a spec: the one it names, else the model's own."""
    model = spec["model"]
    return str(model.get("stem") or (model.get("options") or {}).get("stem") or default_stem(model["name"]))


def unusual_options(spec: Result) -> list[str]:
    """Return "key=value" of the model's options and stem where they differ from the zoo's row."""
    name, options = spec["model"]["name"], dict(spec["model"].get("options") or {})
    usual = option_values(name, {})
    words = [f"{key}={value}" for key, value in sorted(options.items()) if usual.get(key) != value and key != "stem"]
    stem = stem_of(spec)
    return words + ([f"stem={stem}"] if stem != default_stem(name) else [])


def augmentation_text(spec: Result) -> str:
    """Return the augmentation in words."""
    section = spec.get("augmentation") or {}
    parts = [f"crop {section['crop_padding']}"] if section.get("crop_padding") else []
    parts += ["flip"] if section.get("flip") else []
    parts += [str(section["policy"])] if section.get("policy", "none") != "none" else []
    parts += [f"erasing {section['erasing']:g}"] if section.get("erasing") else []
    return " + ".join(parts) or "none"


def algorithm_texts(spec: Result) -> dict[str, str]:
    """Return each algorithm of a spec in words, with its settings."""
    return {
        name: f"{name} {' '.join(f'{k}={v}' for k, v in sorted(settings.items()))}".strip()
        for name, settings in sorted((spec.get("algorithms") or {}).items())
    }


def optimizer_text(spec: Result) -> str:
    """Return the optimizer in words, without learning rate and weight decay."""
    section = spec["optimizer"]
    if section["name"] == "sgd":
        return f"sgd momentum {section.get('momentum', 0):g}{' nesterov' if section.get('nesterov') else ''}"
    return f"{section['name']} betas {section.get('beta1', 0):g} {section.get('beta2', 0):g}"


def decay_text(spec: Result) -> str:
    """Return the weight decay, and whether norms and biases are spared."""
    section = spec["optimizer"]
    spared = "" if section.get("decay_norm_bias", True) else " (norms and biases spared)"
    return f"{section.get('weight_decay', 0):g}{spared}"


def schedule_text(spec: Result) -> str:
    """Return the schedule in words."""
    section = spec.get("schedule") or {}
    final = f", final {section['final']:g}" if section.get("final") else ""
    return f"{section.get('name')}, warm-up {section.get('warmup', '0ep')}{final}"


def machine_text(run_group: RunGroup) -> str:
    """Return what trained the run group ("8 × Tesla V100"), or that it was several machines."""
    found = {device_text(record.result or {}) for record in run_group.records}
    return found.pop() if len(found) == 1 else SEVERAL


def precision_text(run_group: RunGroup) -> str:
    """Return the precision that the runs computed in, of which seeds where they differ, and whether compiled."""
    seeds: dict[str, list[str]] = defaultdict(list)
    for seed, precision in sorted(run_group.precisions.items()):
        seeds[precision].append(str(seed))
    several = len(seeds) > 1
    texts = [f"{name} (seed {', '.join(seeds[name])})" if several else name for name in sorted(seeds)]
    return ", ".join([*texts, *(["compiled"] if run_group.spec.get("compile") else [])])


def steps_text(run_group: RunGroup) -> str:
    """Return the number of steps, or what else the runs have in common.

    Those of equal training compute differ in steps by design, those of a duration in seconds by the machine's mood.
    """
    budget = str(run_group.spec.get("budget") or "")
    if budget.endswith("FLOP"):
        return f"as {budget} allows"
    found = {int(steps) for steps in run_group.values("training.steps").values()}
    return str(found.pop()) if len(found) == 1 else str(run_group.spec["max_duration"])


def device_text(result: Result) -> str:
    """Return the devices of one run; on a CPU the ranks share its threads."""
    machine = result.get("machine") or {}
    name = str(machine.get("device_name") or machine.get("device") or "unknown device")
    ranks = int(machine.get("world_size") or 1)
    if machine.get("device") == "cpu":
        threads = ranks * int(machine.get("threads") or 1)
        return f"{name}, {threads} thread{'s' if threads > 1 else ''}"
    return f"{ranks} × {name}"


FACETS: dict[str, Callable[[RunGroup], str]] = {
    "dataset": lambda c: str(c.spec["data"]["name"]),
    "split": lambda c: str(c.spec["data"]["split"]),
    "steps": steps_text,
    "batch": lambda c: str(c.spec["batch_size"]),
    "augmentation": lambda c: augmentation_text(c.spec),
    "optimizer": lambda c: optimizer_text(c.spec),
    "lr": lambda c: f"{c.spec['optimizer']['lr']:g}",
    "weight decay": lambda c: decay_text(c.spec),
    "schedule": lambda c: schedule_text(c.spec),
    "algorithms": lambda c: ", ".join(algorithm_texts(c.spec).values()) or "none",
    "precision": precision_text,
    "stem": lambda c: stem_of(c.spec),
    "machine": machine_text,
}
# Rows that differ in one of these are not ranked against each other.
RANKED_TOGETHER = ("dataset", "split", "steps", "batch", "augmentation")
# Facets of the model and of the machine: they do not make another recipe.
NOT_RECIPE = ("stem", "machine")


def group_runs(records: Iterable[RunRecord]) -> tuple[list[RunGroup], list[str]]:
    """Return the run groups among finished records, and the ids of runs left out because they repeat a seed.

    The same recipe and seed run twice (in two experiments) is one result, not two: the first by path counts.
    """
    groups: dict[tuple[Any, ...], dict[int, RunRecord]] = defaultdict(dict)
    repeated = []
    for record in records:
        if not record.finished:
            continue
        seeds = groups[group_key(record)]
        if record.seed in seeds:
            repeated.append(record.run_id)
        else:
            seeds[record.seed] = record
    run_groups = [RunGroup(tuple(seeds[seed] for seed in sorted(seeds))) for seeds in groups.values()]
    return sorted(run_groups, key=lambda run_group: (run_group.label, run_group.runs)), repeated


def group_key(record: RunRecord) -> tuple[Any, ...]:
    """Return what runs of one run group have in common: recipe, network as built, and the sizes of the data."""
    result = record.result or {}
    model, data = result.get("model", {}), result.get("data", {})
    sizes = tuple(data.get(key) for key in ("train_samples", "eval_samples", "classes"))
    return result.get("recipe"), model.get("fingerprint"), model.get("params"), sizes


def differing(one: RunGroup, other: RunGroup, ignore: Sequence[str] = ()) -> list[str]:
    """Return the facets in which two run groups differ."""
    return [name for name in FACETS if name not in ignore and one.facets[name] != other.facets[name]]


def same_network(one: RunGroup, other: RunGroup) -> bool:
    """Tell whether two run groups train the same network by the same recipe, whatever they are called."""
    return (
        one.fingerprint is not None
        and one.fingerprint == other.fingerprint
        and not differing(one, other, ignore=NOT_RECIPE)
    )


def network_groups(run_groups: Sequence[RunGroup]) -> list[list[RunGroup]]:
    """Return the run groups in groups of the same network, in order of appearance."""
    groups: list[list[RunGroup]] = []
    for run_group in run_groups:
        for group in groups:
            if same_network(group[0], run_group):
                group.append(run_group)
                break
        else:
            groups.append([run_group])
    return groups


def blocks_of(
    run_groups: Sequence[RunGroup], facets: Sequence[str] = RANKED_TOGETHER
) -> dict[tuple[str, ...], list[RunGroup]]:
    """Return the run groups by their values of some facets, the largest block first."""
    blocks: dict[tuple[str, ...], list[RunGroup]] = defaultdict(list)
    for run_group in run_groups:
        blocks[tuple(run_group.facets[name] for name in facets)].append(run_group)
    return dict(sorted(blocks.items(), key=lambda item: (-len(item[1]), item[0])))


def common_facets(run_groups: Sequence[RunGroup]) -> dict[str, str]:
    """Return each facet's most frequent value (the first in order of the alphabet when several are)."""
    common = {}
    for name in FACETS:
        counts = Counter(run_group.facets[name] for run_group in run_groups)
        common[name] = min(counts, key=lambda value: (-counts[value], value))
    return common
