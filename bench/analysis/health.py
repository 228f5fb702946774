"""Health bands: mark a finished full-length run by what runs of its model and recipe are known to reach.

Two long recipes have bands: the deck's (300 epochs with heavy augmentation) and the light one of most public CIFAR-100
tables (crop and flip, 200–300 epochs, batch at most 256); short ones have those of our own records (`own_bands`). All
are recognised from the recorded spec, not from a name.
A run of another recipe, length, network or data set has no band, and the answer says so; neither is a run judged by a
band that was made of it. No torch is imported.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bench.analysis.identity import schema_defaults
from bench.analysis.own_bands import own_bands, own_recipe
from bench.records import RunRecord
from bench.util.dotted import value_at
from bench.util.duration import Duration
from bench.zoo.models import MODELS

Recipe = str
Mark = Literal["healthy", "low", "suspicious", "no band", "not judged"]
Spec = Mapping[str, Any]

DECK_LOGS = "the deck authors' logs of this model (reports/claims/published_runs.csv)"
PUBLIC = "public CIFAR-100 logs with crop and flip, 200–300 epochs, batch at most 256 (the project's survey)"
FULL_LENGTH: tuple[Recipe, ...] = ("deck", "light")
# Algorithms that change how a step is computed, not what is learned.
NEUTRAL = frozenset({"channels_last"})
LIGHT_EPOCHS, LIGHT_BATCH = range(200, 301), 256


@dataclass(frozen=True)
class DeckOptimizer:
    """The part of the deck's recipe that differs between families; `batch_size` is the global one (8 GPUs)."""

    name: str
    lr: float
    weight_decay: float
    warmup_epochs: int
    batch_size: int = 2048


_COATNET_LIKE = DeckOptimizer("adamw", 2e-4, 0.05, 10)
_MIXER_LIKE = DeckOptimizer("adamw", 1e-3, 0.05, 10)
# By family, as the columns of published_runs.csv have them; a family that is not here has no published optimizer.
DECK_OPTIMIZERS: dict[str, DeckOptimizer] = {
    "resnet": DeckOptimizer("sgd", 0.1, 5e-4, 0),
    "eca_resnet": DeckOptimizer("sgd", 0.1, 5e-4, 0),
    "ghost_resnet": DeckOptimizer("sgd", 0.1, 4e-5, 5),
    "improved_resnet20_convnext": DeckOptimizer("sgd", 0.05, 1e-3, 5, batch_size=1024),
    "convnext": DeckOptimizer("adamw", 4e-3, 0.05, 20),
    "coatnet": _COATNET_LIKE,
    "cspnet": _COATNET_LIKE,
    "resnest": _COATNET_LIKE,
    "mlp_mixer": _MIXER_LIKE,
    "mscan": _MIXER_LIKE,
}
# What every family has in common, as dotted keys of the spec (DESIGN: "the published recipe").
DECK_SPEC: dict[str, Any] = {
    "model.weights": None,
    "data.name": "cifar100",
    "data.split": "test",
    "augmentation.crop_padding": 4,
    "augmentation.flip": True,
    "augmentation.policy": "trivial_augment_wide",
    "augmentation.erasing": 0.5,
    "schedule.name": "cosine",
    "schedule.final": 0.0,
    "max_duration": "300ep",
    "algorithms.label_smoothing.smoothing": 0.1,
    "algorithms.mixup.alpha": 0.2,
    "algorithms.gradient_clipping.clipping_type": "norm",
    "algorithms.gradient_clipping.clipping_threshold": 1.0,
}
LIGHT_SPEC: dict[str, Any] = {
    "model.weights": None,
    "data.name": "cifar100",
    "data.split": "test",
    "augmentation.crop_padding": 4,
    "augmentation.flip": True,
    "augmentation.policy": "none",
    "augmentation.erasing": 0.0,
}


@dataclass(frozen=True)
class Band:
    """Last-epoch CIFAR-100 top-1 in percent: from `low` to `high` is usual, beyond the other two something is wrong.

    `made_of` are the runs of ours that the band rests on, with their top-1: another run may have the same id.
    """

    models: tuple[str, ...]
    recipe: Recipe
    low: float
    high: float
    suspicious_below: float | None
    suspicious_above: float | None
    source: str
    made_of: tuple[tuple[str, float], ...] = ()


def _pair(model: str, light: tuple[float, float], deck: tuple[float, float], below: float, above: float) -> list[Band]:
    """Return the light and the deck band of a model; what is suspicious is the same in both."""
    return [
        Band((model,), "light", *light, below, above, PUBLIC),
        Band((model,), "deck", *deck, below, above, DECK_LOGS),
    ]


def _attention(models: tuple[str, ...], base: Band) -> Band:
    """Return the band of ECA-ResNets: their base within 1 point; a gap of over 2 points is suspicious."""
    source = f"the band of {base.models[0]} ± 1 point"
    return Band(models, base.recipe, base.low - 1, base.high + 1, base.low - 2, base.high + 2, source)


_RESNET_20 = _pair("resnet_20", (68.0, 69.5), (66.0, 67.0), 65.0, 71.0)
_RESNET_32 = _pair("resnet_32", (69.5, 71.7), (69.3, 70.3), 68.0, 73.5)
_RESNET_56 = _pair("resnet_56", (71.8, 75.3), (73.4, 74.9), 70.5, 77.0)
_ECA_20 = tuple(name for name, row in MODELS.items() if row.family == "eca_resnet" and row.options["blocks"] == 3)
BANDS: tuple[Band, ...] = (
    *_RESNET_20,
    *_RESNET_32,
    *_RESNET_56,
    *(_attention(_ECA_20, band) for band in _RESNET_20),
    *(_attention(("eca_resnet_32",), band) for band in _RESNET_32),
    Band(("ghost_resnet_20",), "deck", 58.5, 60.5, 50.0, None, DECK_LOGS),
    Band(("improved_resnet20_convnext",), "deck", 71.0, 72.7, None, 75.0, DECK_LOGS),
    Band(("convnext_tiny",), "light", 46.0, 55.0, None, 70.0, PUBLIC),
    Band(("convnext_tiny",), "deck", 57.0, 60.0, None, 70.0, DECK_LOGS),
    # Far above: pretrained weights have leaked in.
    Band(("resnest50d", "cspresnet50"), "deck", 50.0, 58.0, None, 75.0, DECK_LOGS),
    Band(("coatnet_0",), "deck", 62.0, 67.0, None, None, DECK_LOGS),
    Band(("mlp_mixer_tiny",), "light", 52.0, 57.0, None, None, PUBLIC),
    Band(("mlp_mixer_tiny",), "deck", 43.0, 60.0, None, None, DECK_LOGS),
    Band(("resnet_18",), "light", 75.5, 77.5, 73.0, None, PUBLIC),
)
# The deck's ablations have the base network under a second name.
SAME_MODEL = {"resnet20_no_eca": "resnet_20"}


@dataclass(frozen=True)
class Health:
    """A run's mark, why, and where the band comes from (empty without one)."""

    mark: Mark
    why: str
    source: str = ""


def epochs_declared(spec: Spec) -> int | None:
    """Return how many epochs a spec declares; None when it declares its duration in another unit."""
    return whole_epochs(spec.get("max_duration"))


def whole_epochs(text: Any) -> int | None:
    """Return the number of epochs of a recorded duration, None for another unit, a fraction, or no duration."""
    try:
        duration = Duration.parse(str(text))
    except ValueError:
        return None
    return int(duration.value) if duration.unit == "ep" and duration.value == int(duration.value) else None


def optimizer_of(spec: Spec) -> DeckOptimizer:
    """Return what a spec says where the deck's families differ; a warm-up that is not in epochs counts as −1."""
    epochs = whole_epochs(value_at(spec, "schedule.warmup") or "0ep")
    name, lr, weight_decay = (value_at(spec, f"optimizer.{key}") for key in ("name", "lr", "weight_decay"))
    return DeckOptimizer(name, lr, weight_decay, -1 if epochs is None else epochs, spec.get("batch_size", 0))


def declares(spec: Spec, expected: Mapping[str, Any]) -> bool:
    """Tell whether a spec has some values, and in all else of its augmentation and its weight decay the defaults.

    Those are the schema's. A record from before a key was there does not have it, which counts as the default.
    """
    defaults = schema_defaults(spec)
    others = [*(f"augmentation.{key}" for key in defaults["augmentation"]), "optimizer.decay"]
    usual = all(value_at(spec, key) in (None, value_at(defaults, key)) for key in others if key not in expected)
    return usual and all(value_at(spec, key) == value for key, value in expected.items())


def is_deck(spec: Spec) -> bool:
    """Tell whether a spec is the deck's recipe in full length; an unpublished optimizer is not held against it."""
    family = MODELS[name].family if (name := str(value_at(spec, "model.name"))) in MODELS else ""
    expected = DECK_OPTIMIZERS.get(family)
    plain = set(spec.get("algorithms") or {}) <= NEUTRAL | {"label_smoothing", "mixup", "gradient_clipping"}
    sgd_as_deck = value_at(spec, "optimizer.name") != "sgd" or (
        value_at(spec, "optimizer.momentum") == 0.9 and not value_at(spec, "optimizer.nesterov")
    )
    return declares(spec, DECK_SPEC) and plain and sgd_as_deck and (expected is None or optimizer_of(spec) == expected)


def is_light(spec: Spec) -> bool:
    """Tell whether a spec is the light recipe in full length: crop and flip alone, a small batch, 200–300 epochs."""
    plain = set(spec.get("algorithms") or {}) <= NEUTRAL
    long_enough = epochs_declared(spec) in LIGHT_EPOCHS
    small = 0 < spec.get("batch_size", 0) <= LIGHT_BATCH
    return plain and long_enough and small and declares(spec, LIGHT_SPEC)


def recipe_of(spec: Spec) -> Recipe | None:
    """Return which recipe with bands a recorded spec is, None for any other."""
    return "deck" if is_deck(spec) else "light" if is_light(spec) else own_recipe(spec)


def find_band(spec: Spec) -> Band | None:
    """Return the band of a recorded spec's recipe and model, the latter with the deck's stem and options."""
    name = SAME_MODEL.get(name := str(value_at(spec, "model.name")), name)
    unusual = value_at(spec, "model.stem") == "cifar" or changed_options(spec)
    recipe = None if unusual else recipe_of(spec)
    if recipe in FULL_LENGTH or recipe is None:
        return next((band for band in BANDS if name in band.models and band.recipe == recipe), None)
    return own_band(recipe, name)


def own_band(recipe: Recipe, model: str) -> Band | None:
    """Return the band that our records give a network by a short recipe; None where no record has it."""
    bands = own_bands()[recipe]
    found = bands["models"].get(model)
    if found is None:
        return None
    low, high = found["low"], found["high"]
    half = (high - low) / 2
    source = f"our records: mean {found['mean']:.2f}, n = {found['n']}, seed sd {bands['sd']:.2f} (df {bands['df']})"
    limits = round(low - half, 1), round(high + half, 1)
    return Band((model,), recipe, low, high, *limits, source, tuple(found["runs"].items()))


def changed_options(spec: Spec) -> dict[str, Any]:
    """Return the model options of a spec that differ from the zoo's row."""
    row = MODELS.get(str(value_at(spec, "model.name")))
    usual = row.options if row else {}
    return {key: value for key, value in (value_at(spec, "model.options") or {}).items() if usual.get(key) != value}


def mark_top1(band: Band, top1: float) -> Health:
    """Return the mark of a last-epoch top-1 in percent; the band's ends and the suspicious limits are still inside."""
    usual = f"{band.low:g}–{band.high:g} under the {band.recipe} recipe"
    if band.suspicious_below is not None and top1 < band.suspicious_below:
        return Health("suspicious", f"{top1:.2f} is below {band.suspicious_below:g} (usual: {usual})", band.source)
    if band.suspicious_above is not None and top1 > band.suspicious_above:
        return Health("suspicious", f"{top1:.2f} is above {band.suspicious_above:g} (usual: {usual})", band.source)
    if top1 < band.low:
        return Health("low", f"{top1:.2f} is below the usual {usual}", band.source)
    place = "above" if top1 > band.high else "within"
    return Health("healthy", f"{top1:.2f} is {place} the usual {usual}", band.source)


def check_health(run: RunRecord) -> Health:
    """Return a run's mark by its last-epoch top-1; unfinished, of another recipe or without a band, it has none.

    Nor has a run that its network's band was made of, also where the band was made of others too: with a few seeds the
    spread is then mostly of the run itself.
    """
    if not run.finished or run.result is None:
        return Health("no band", "the run has not finished")
    band = find_band(run.spec)
    if band is None:
        recipe = recipe_of(run.spec)
        why = (
            f"no band for this network under the {recipe} recipe"
            if recipe
            else "no recipe that has bands, in full length"
        )
        return Health("no band", why)
    top1 = float(run.result["top1"])
    if (run.run_id, top1) in band.made_of:
        return Health("not judged", f"{top1:.2f} is of a run that the band itself was made of", band.source)
    return mark_top1(band, top1)
