"""Group run records: one network under one recipe, whose runs differ in the seed alone.

Tables and figures are made of run groups. Their recipe fields (`bench.analysis.recipe`) say what the recipe was, which
rows may be ranked together, and what has to be said in a footnote.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.analysis.identity import recorded_identity
from bench.analysis.metrics import METRICS
from bench.analysis.recipe import (
    MACHINE,
    NOT_RECIPE,
    RANKED_TOGETHER,
    RECIPE_FIELDS,
    budget_text,
    declared_fields,
    default_stem,
)
from bench.records import RunRecord
from bench.util.dotted import number_at, value_at

SEVERAL = "several"
Result = Mapping[str, Any]


@dataclass(frozen=True)
class RunGroup:
    """One network under one recipe: its finished runs, of distinct seeds, sorted by seed.

    `repeats` are runs of the same recipe and a seed that is there already; only their evaluations may count.
    """

    records: tuple[RunRecord, ...]
    repeats: tuple[RunRecord, ...] = ()

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
    def shared(self) -> str:
        """Return what else ran on the device of some of its runs, so that their times do not count."""
        return next((record.shared for record in self.records if record.shared), "")

    @property
    def fingerprint(self) -> str | None:
        """Return the network's fingerprint, None where it was not recorded."""
        return self.first["model"].get("fingerprint")

    @cached_property
    def label(self) -> str:
        """Return the model's name with the options and the stem that differ from the zoo's row."""
        stem = self.recipe_fields["stem"]
        return self.recipe_fields["model"] + (f" stem={stem}" if stem != default_stem(self.model) else "")

    @cached_property
    def recipe_fields(self) -> dict[str, str]:
        """Return what the recipe was, field by field, as text."""
        fields = declared_fields({**self.spec, "precision": precision_text(self)})
        return {**fields, "steps": budget_text(self.spec) or steps_text(self), MACHINE: machine_text(self)}

    @cached_property
    def declared_fields(self) -> dict[str, str]:
        """Return the recipe fields as they were declared, before hardware and data decided steps and precision."""
        return declared_fields(self.spec)

    def values(self, path: str) -> dict[str, float]:
        """Return run id → number at a dotted path of the results, of the runs that have it."""
        found = ((record.run_id, number_at(record.result or {}, path)) for record in self.records)
        return {run: value for run, value in found if value is not None}

    @cached_property
    def evaluated_records(self) -> tuple[RunRecord, ...]:
        """Return the runs whose evaluations count: of each seed the first run that has any, else that of `records`."""
        chosen = {record.seed: record for record in self.records}
        for record in self.repeats:
            if record.evaluations and not chosen[record.seed].evaluations:
                chosen[record.seed] = record
        return tuple(chosen.values())

    @cached_property
    def shown_records(self) -> tuple[RunRecord, ...]:
        """Return the runs that some number of the run group comes from: its own, and evaluated repeats."""
        repeats = (record for record in self.evaluated_records if record.run_id not in self.runs)
        return (*self.records, *repeats)

    def evaluated(self, path: str) -> dict[str, float]:
        """Return run id → number at a dotted path ("calibration.ece") of the evaluations, of the runs that have it."""
        found = ((record.run_id, number_at(record.evaluations, path)) for record in self.evaluated_records)
        return {run: value for run, value in found if value is not None}

    @cached_property
    def precisions(self) -> dict[int, str]:
        """Return seed → the precision that its run computed in, which hardware may have decided (`precision: auto`)."""
        return {record.seed: record.precision for record in self.records}

    def by_seed(self, path: str) -> dict[int, float]:
        """Return seed → number at a dotted path of the results, of the runs that have it."""
        found = ((record.seed, number_at(record.result or {}, path)) for record in self.records)
        return {seed: value for seed, value in found if value is not None}


def recorded_metrics(run_groups: Sequence[RunGroup]) -> list[str]:
    """Return the metrics that some run recorded: older records lack those that were added later."""
    return [name for name in METRICS if any(run_group.values(name) for run_group in run_groups)]


def machine_text(run_group: RunGroup) -> str:
    """Return what trained the run group ("8 × Tesla V100"), or that it was several machines."""
    found = {device_text(record.result or {}) for record in run_group.records}
    return found.pop() if len(found) == 1 else SEVERAL


def precision_text(run_group: RunGroup) -> str:
    """Return the precision that the runs computed in, of which seeds where they differ."""
    seeds: dict[str, list[str]] = defaultdict(list)
    for seed, precision in sorted(run_group.precisions.items()):
        seeds[precision].append(str(seed))
    several = len(seeds) > 1
    return ", ".join(f"{name} (seed {', '.join(seeds[name])})" if several else name for name in sorted(seeds))


def steps_text(run_group: RunGroup) -> str:
    """Return the number of steps of all runs; the declared duration where they differ or may."""
    declared = str(run_group.spec["max_duration"])
    found = {int(steps) for steps in run_group.values("training.steps").values()}
    return str(found.pop()) if len(found) == 1 and not declared.endswith("sec") else declared


def device_text(result: Result) -> str:
    """Return the devices of one run; on a CPU the ranks share its threads."""
    machine = result.get("machine") or {}
    name = str(machine.get("device_name") or machine.get("device") or "unknown device")
    ranks = int(machine.get("world_size") or 1)
    if machine.get("device") == "cpu":
        threads = ranks * int(machine.get("threads") or 1)
        return f"{name}, {threads} thread{'s' if threads > 1 else ''}"
    return f"{ranks} × {name}"


def group_runs(records: Iterable[RunRecord]) -> tuple[list[RunGroup], list[str]]:
    """Return the run groups among finished records, and the ids of runs left out because they repeat a seed.

    The same recipe and seed run twice (in two experiments) is one result, not two: the first by path counts.
    """
    groups: dict[tuple[Any, ...], dict[int, RunRecord]] = defaultdict(dict)
    repeats: dict[tuple[Any, ...], list[RunRecord]] = defaultdict(list)
    for record in records:
        if not record.finished:
            continue
        key = group_key(record)
        if groups[key].setdefault(record.seed, record) is not record:
            repeats[key].append(record)
    run_groups = [
        RunGroup(tuple(seeds[seed] for seed in sorted(seeds)), tuple(repeats[key])) for key, seeds in groups.items()
    ]
    repeated = [record.run_id for records in repeats.values() for record in records]
    return sorted(run_groups, key=lambda run_group: (run_group.label, run_group.runs)), repeated


def group_key(record: RunRecord) -> tuple[Any, ...]:
    """Return what runs of one run group have in common: recipe, network as built, and the sizes of the data.

    The recipe is compared by its keys, not by its recorded hash, which changes with every key that the schema gains.
    """
    result = record.result or {}
    model, data = result.get("model", {}), result.get("data", {})
    sizes = tuple(data.get(key) for key in ("train_samples", "eval_samples", "classes"))
    return hashable(recorded_identity(record.spec)), model.get("fingerprint"), model.get("params"), sizes


def hashable(value: Any) -> Hashable:
    """Return nested plain data as nested tuples."""
    if isinstance(value, Mapping):
        return tuple(sorted((str(key), hashable(item)) for key, item in value.items()))
    return tuple(hashable(item) for item in value) if isinstance(value, list) else value


def differing(one: RunGroup, other: RunGroup, ignore: Sequence[str] = ()) -> list[str]:
    """Return the recipe fields in which two run groups differ."""
    ours, theirs = one.recipe_fields, other.recipe_fields
    return [name for name in RECIPE_FIELDS if name not in ignore and ours[name] != theirs[name]]


def same_network(one: RunGroup, other: RunGroup) -> bool:
    """Tell whether two run groups train the same network by the same recipe, whatever they are called."""
    return (
        one.fingerprint is not None
        and one.fingerprint == other.fingerprint
        and not differing(one, other, ignore=NOT_RECIPE)
        and steps_text(one) == steps_text(other)
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


def recipe_of(run_group: RunGroup) -> Mapping[str, str]:
    """Return the recipe fields of a run group."""
    return run_group.recipe_fields


def blocks_of(
    run_groups: Sequence[RunGroup],
    names: Sequence[str] = RANKED_TOGETHER,
    fields_of: Callable[[RunGroup], Mapping[str, str]] = recipe_of,
) -> dict[tuple[str, ...], list[RunGroup]]:
    """Return the run groups by their values of some recipe fields, the largest block first, those of tuning last."""
    blocks: dict[tuple[str, ...], list[RunGroup]] = defaultdict(list)
    for run_group in run_groups:
        fields = fields_of(run_group)
        blocks[tuple(fields[name] for name in names)].append(run_group)
    return dict(sorted(blocks.items(), key=lambda item: (is_tuning(item[1][0]), -len(item[1]), item[0])))


def is_tuning(run_group: RunGroup) -> bool:
    """Tell whether a run group was evaluated on images held out of training, and is no result on the test images."""
    return run_group.recipe_fields["split"] == "tuning"


def is_helped(run_group: RunGroup) -> bool:
    """Tell whether a run group had more to learn from than its data: a teacher, or trained weights to start from."""
    return any(value_at(run_group.spec, key) for key in ("algorithms.distillation", "model.weights"))


def common_recipe(run_groups: Sequence[RunGroup]) -> dict[str, str]:
    """Return each recipe field's most frequent value (the first in order of the alphabet when several are)."""
    common = {}
    for name in RECIPE_FIELDS:
        counts = Counter(run_group.recipe_fields[name] for run_group in run_groups)
        common[name] = min(counts, key=lambda value: (-counts[value], value))
    return common


def representative(run_groups: Sequence[RunGroup], common: Mapping[str, str]) -> RunGroup | None:
    """Return which of a network's run groups stands for it beside others of a common recipe; None if none may.

    None with a teacher or trained weights does. Of the others it is the one whose recipe departs from the common one
    in the fewest fields, of several the one with most runs, then the first.
    """
    fields = [name for name in RECIPE_FIELDS if name not in NOT_RECIPE]

    def fitness(run_group: RunGroup) -> tuple[int, int]:
        """Return how many fields are the common ones, and how many runs there are."""
        return sum(run_group.recipe_fields[name] == common[name] for name in fields), len(run_group.runs)

    return max((run_group for run_group in run_groups if not is_helped(run_group)), key=fitness, default=None)
