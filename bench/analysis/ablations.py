"""Ablations as their files declare them: title, arms, labels, order; and how an arm is recognised in records.

    title: "ECA: kernel size"
    base: recipes/deck_300ep_sgd.yaml
    arms:
      no_eca: {model: {name: resnet_20}}
      k3: {model: {name: ecanet20_fixed_k3}}

The first arm is the baseline. An arm is what differs from it, in recipe fields: runs of any recipe are runs of the arm
if they agree with it in those. Where every network has several arms, its own first arm is the baseline of the others,
and networks are not compared.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench.analysis.recipe import TEACHER, declared_fields, field_names, settings_text
from bench.analysis.run_groups import RunGroup
from bench.spec import RunSpec
from bench.util.errors import BadInput

ABLATIONS = Path(__file__).resolve().parents[2] / "yamls" / "ablations"
NETWORK = ("model", "stem")
MIXED = re.compile(r"\bamp_\w+")


@dataclass(frozen=True)
class Arm:
    """One arm: its name in the file, its label if the file says one, its network as declared, its recipe fields."""

    name: str
    label: str | None
    network: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Ablation:
    """One ablation: its arms in the order of the file; `other_names` are further names of an arm's network."""

    name: str
    title: str
    title_zh: str | None
    arms: tuple[Arm, ...]
    other_names: Mapping[str, tuple[Arm, ...]]

    @cached_property
    def within_networks(self) -> bool:
        """Tell whether every network has several arms, so that networks are not what is compared."""
        return min(Counter(arm.fields["model"] for arm in self.arms).values()) > 1

    @cached_property
    def baselines(self) -> tuple[Arm, ...]:
        """Return the arms that others are compared with: the first one, or the first of each network."""
        first: dict[str, Arm] = {}
        for arm in self.arms:
            first.setdefault(arm.fields["model"] if self.within_networks else "", arm)
        return tuple(first.values())

    @cached_property
    def ablated(self) -> tuple[str, ...]:
        """Return the recipe fields in which arms differ from their baseline."""
        pairs = [(arm, self.baseline_of(arm)) for arm in self.arms]
        return tuple(
            name for name in field_names() if any(arm.fields[name] != base.fields[name] for arm, base in pairs)
        )

    @cached_property
    def free(self) -> frozenset[str]:
        """Return the recipe fields in which runs of its arms may differ: what is ablated, and what follows from it."""
        follows = {"model": NETWORK, "algorithms": (TEACHER,)}
        return frozenset(self.ablated).union(*(follows.get(name, ()) for name in self.ablated))

    def fields_of(self, run_group: RunGroup) -> Mapping[str, str]:
        """Return the recipe fields by which runs are found comparable.

        Where the batch size is ablated, as many epochs are other steps, so there the length is the declared one.
        """
        fields = run_group.recipe_fields
        return {**fields, "steps": run_group.declared_fields["steps"]} if "batch" in self.ablated else fields

    def arm_of(self, run_group: RunGroup) -> Arm | None:
        """Return the first arm that a run group was declared as, None for a run group of no arm."""
        return next((arm for arm in self.arms if self.matches(arm, run_group)), None)

    def baseline_of(self, arm: Arm) -> Arm:
        """Return the arm that an arm is compared with; a baseline is its own."""
        same = (base for base in self.baselines if base.fields["model"] == arm.fields["model"])
        return next(same, self.baselines[0])

    def matches(self, arm: Arm, run_group: RunGroup) -> bool:
        """Tell whether a run group is an arm's: it was declared as the arm in all that is ablated.

        A kind of mixed precision, which older records declare, is what both `amp` and `auto` ask for.
        """
        declared = run_group.declared_fields
        told = {*self.ablated, *(NETWORK if "model" in self.ablated else ())}
        forms = {name: {declared[name]} for name in told}
        if "precision" in told:
            forms["precision"] |= {MIXED.sub(asked, declared["precision"]) for asked in ("amp", "auto")}
        return all(arm.fields[name] in forms[name] for name in told)


def ablation_names(folder: Path = ABLATIONS) -> dict[str, Path]:
    """Return the ablations of a folder by name; raise BadInput for a missing folder."""
    if folder != ABLATIONS and not folder.is_dir():
        raise BadInput(f"--ablations {folder}: folder does not exist")
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_ablation(path: Path) -> Ablation:
    """Return the ablation that a file declares; raise BadInput for a file that declares none."""
    from bench.config import load_arms, read_ablation  # imported here: most tables read no YAML

    said, specs = read_ablation(path), load_arms(path, resolve=False)
    if len(specs) < 2:
        raise BadInput(f"{path}: key 'arms': an ablation has two arms or more, found {len(specs)}")
    arms = {name: make_arm(name, spec, said.labels) for name, spec in specs.items()}
    others = {
        name: tuple(
            make_arm(model, as_model(specs[name], model), said.labels)
            for model, arm in said.other_names.items()
            if arm == name
        )
        for name in arms
    }
    title = said.title or path.stem.replace("_", " ")
    return Ablation(path.stem, title, said.title_zh, tuple(arms.values()), others)


def as_model(spec: RunSpec, model: str) -> RunSpec:
    """Return a spec with a model of the zoo in place of its own."""
    return spec.model_copy(update={"model": spec.model.model_copy(update={"name": model, "options": {}})})


def make_arm(name: str, spec: RunSpec, labels: Mapping[str, str]) -> Arm:
    """Return the arm of a spec."""
    network = f"{spec.model.name} {settings_text(spec.model.options)}".strip()
    return Arm(name, labels.get(name), network, declared_fields(spec.model_dump(mode="json")))
