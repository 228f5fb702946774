"""The algorithms that a YAML may name, as one dict: name → class, settings and their ranges, and who excludes whom.

    algorithms:
      label_smoothing: {smoothing: 0.1}
      channels_last: {}

A class is written "module:Class" and imported only by `build_algorithms`, so that reading a YAML needs neither torch
nor composer. The settings repeat the class's own names and defaults; a test compares them with the class's signature.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
# How the training cost of a row is counted; a row may name a function of `algorithms.costs` instead.
PLAIN, AS_FED = "plain", "as_fed"
When = Annotated[str, Field(pattern=r"^([0-9]+(ep|ba|sp)|(0(\.[0-9]+)?|1(\.0+)?)dur)$")]
Every = Annotated[str, Field(pattern=r"^[1-9][0-9]*(ep|ba)$")]


class TrainedWeights(BaseModel):
    """Weights on the disk, in a YAML as their path alone: whose they are, and the SHA-256 of their file.

    Where network or digest are declared they are what the path must hold; a resolved spec says both.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    path: Annotated[str, Field(min_length=1)]
    network: str = ""
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""


def as_weights(value: Any) -> Any:
    """Return a path as the mapping that `TrainedWeights` takes, anything else as it is."""
    return {"path": value} if isinstance(value, str) else value


Weights = Annotated[TrainedWeights, BeforeValidator(as_weights)]


def unit_of(text: str) -> str:
    """Return the unit of a point or an interval of a run: "ba" of "1000ba"."""
    return text.lstrip("0123456789.")


def check_ema(settings: Mapping[str, Any]) -> str:
    """Return what is wrong with EMA's settings together, or an empty text."""
    half_life, interval = settings["half_life"], settings["update_interval"]
    if interval is None or unit_of(interval) == unit_of(half_life):
        return ""
    return f"half_life ({half_life}) and update_interval ({interval}) need one unit"


def check_swa(settings: Mapping[str, Any]) -> str:
    """Return what is wrong with SWA's settings together, or an empty text."""
    start, end = settings["swa_start"], settings["swa_end"]
    unit = unit_of(start)
    if unit != unit_of(end):
        return f"swa_start ({start}) and swa_end ({end}) need one unit"
    in_order = float(start.removesuffix(unit)) < float(end.removesuffix(unit))
    return "" if in_order else f"swa_start ({start}) must come before swa_end ({end})"


@dataclass(frozen=True)
class AlgorithmRow:
    """One algorithm: its class, its settings (name → type and default), and what it is.

    `cost` says how its training cost is counted. The passes of a run are counted as they happen, with the sizes of the
    images and the frozen layers; what differs is what is known beforehand, as a budget of compute needs it:

    - PLAIN: a step is one forward and one backward pass over its batch (what goes forward before an evaluation, for the
      statistics of an average, is counted but not known beforehand);
    - "module:function": what the function makes of `algorithms.costs.Steps`, given the settings;
    - AS_FED: only known when it happens;
    - None: it computes what does not pass through the network, so the cost of its runs is missing.

    `surgery` names the function that changes what the network itself computes; `least_batch` the setting that a
    process's batch must not be smaller than; `check`, as "module:function", a function of the network that raises
    ValueError where the algorithm has nothing to work on.

    `handed` names the settings that whoever trains makes an object of: the network that a path stands for.

    `averaged` names the attribute of an algorithm that averages weights that tells whether the model holds the average:
    BatchNorm's statistics are then estimated anew before it is evaluated. `check_settings` returns what is wrong with
    valid settings together, in words.
    """

    target: str
    settings: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    source: str = ""
    cost: str | None = field(kw_only=True)
    surgery: str | None = None
    least_batch: str | None = None
    check: str | None = None
    handed: tuple[str, ...] = ()
    averaged: str | None = None
    check_settings: Callable[[Mapping[str, Any]], str] = lambda settings: ""


ALGORITHMS: dict[str, AlgorithmRow] = {
    "blurpool": AlgorithmRow(
        "composer.algorithms:BlurPool",
        {
            "replace_convs": (bool, True),
            "replace_maxpools": (bool, True),
            "blur_first": (bool, True),
            "min_channels": (Count, 16),
        },
        "Zhang, ICML 2019",
        cost=PLAIN,
        surgery="composer.algorithms.blurpool:apply_blurpool",
    ),
    "channels_last": AlgorithmRow("composer.algorithms:ChannelsLast", {}, "memory format NHWC", cost=PLAIN),
    "colout": AlgorithmRow(
        "composer.algorithms:ColOut",
        {"p_row": (Share, 0.15), "p_col": (Share, 0.15)},
        "Composer",
        cost="algorithms.costs:colout",
    ),
    "cutmix": AlgorithmRow(
        "composer.algorithms:CutMix", {"alpha": (Positive, 1.0)}, "Yun et al., ICCV 2019", cost=PLAIN
    ),
    "cutout": AlgorithmRow(
        "composer.algorithms:CutOut",
        {"num_holes": (Count, 1), "length": (Share, 0.5)},
        "DeVries and Taylor, 2017",
        cost=PLAIN,
    ),
    "dirac_initialisation": AlgorithmRow(
        "algorithms.dirac:DiracInitialisation",
        {},
        "Zagoruyko and Komodakis, DiracNets, 2017",
        cost=PLAIN,
        check="algorithms.dirac:dense_convolutions",
    ),
    "distillation": AlgorithmRow(
        "algorithms.distillation:Distillation",
        {"teacher": (Weights, ...), "temperature": (Positive, 4.0), "alpha": (Share, 0.9)},
        "Hinton et al., 2015",
        cost=AS_FED,
        handed=("teacher",),
    ),
    "ema": AlgorithmRow(
        "composer.algorithms:EMA",
        {"half_life": (Every, "1000ba"), "ema_start": (When, "0.0dur"), "update_interval": (Every | None, None)},
        "Polyak averaging, exponential",
        cost=PLAIN,
        averaged="ema_weights_active",
        check_settings=check_ema,
    ),
    "ghost_batchnorm": AlgorithmRow(
        "algorithms.ghost_batchnorm:GhostBatchNorm",
        {"ghost_batch_size": (Count, 32)},
        "Hoffer et al., NeurIPS 2017",
        cost=PLAIN,
        least_batch="ghost_batch_size",
    ),
    "gradient_clipping": AlgorithmRow(
        "algorithms.clipping:FusedClipping",
        {
            "clipping_type": (Literal["norm", "value", "adaptive"], "norm"),
            "clipping_threshold": (Positive, 1.0),
        },
        "Pascanu et al., ICML 2013",
        cost=PLAIN,
    ),
    # Before label smoothing, which then acts on the blended labels.
    "mixup_cutmix": AlgorithmRow(
        "algorithms.mixup_cutmix:MixUpCutMix",
        {"mixup_alpha": (Positive, 0.8), "cutmix_alpha": (Positive, 1.0), "cutmix_share": (Share, 0.5)},
        "Touvron et al., DeiT, ICML 2021",
        cost=PLAIN,
    ),
    "label_smoothing": AlgorithmRow(
        "composer.algorithms:LabelSmoothing", {"smoothing": (Share, 0.1)}, "Szegedy et al., CVPR 2016", cost=PLAIN
    ),
    "layer_freezing": AlgorithmRow(
        "composer.algorithms:LayerFreezing",
        {"freeze_start": (Share, 0.5), "freeze_level": (Share, 1.0)},
        "Brock et al., FreezeOut, 2017",
        cost=AS_FED,
    ),
    "lookahead": AlgorithmRow(
        "algorithms.lookahead:Lookahead",
        {"interval": (Count, 5), "alpha": (Share, 0.5)},
        "Zhang et al., NeurIPS 2019",
        cost=PLAIN,
    ),
    "mixup": AlgorithmRow(
        "composer.algorithms:MixUp", {"alpha": (Positive, 0.2)}, "Zhang et al., ICLR 2018", cost=PLAIN
    ),
    "progressive_resizing": AlgorithmRow(
        "composer.algorithms:ProgressiveResizing",
        {
            "mode": (Literal["resize", "crop"], "resize"),
            "initial_scale": (Share, 0.5),
            "finetune_fraction": (Share, 0.2),
            "delay_fraction": (Share, 0.5),
            "size_increment": (Count, 4),
        },
        "fastai",
        cost="algorithms.costs:progressive_resizing",
    ),
    "sam": AlgorithmRow(
        "composer.algorithms:SAM",
        {"rho": (Positive, 0.05), "epsilon": (Positive, 1e-12), "interval": (Count, 1)},
        "Foret et al., ICLR 2021",
        cost="algorithms.costs:sam",
    ),
    "selective_backprop": AlgorithmRow(
        "composer.algorithms:SelectiveBackprop",
        {"start": (Share, 0.5), "end": (Share, 0.9), "keep": (Share, 0.5), "interrupt": (int, 2)},
        "Jiang et al., 2019",
        cost="algorithms.costs:selective_backprop",
    ),
    "squeeze_excite": AlgorithmRow(
        "composer.algorithms:SqueezeExcite",
        {"latent_channels": (Positive, 64.0), "min_channels": (Count, 128)},
        "Hu et al., CVPR 2018",
        cost=PLAIN,
        surgery="composer.algorithms.squeeze_excite:apply_squeeze_excite",
    ),
    "swa": AlgorithmRow(
        "algorithms.swa:SWA",
        {"swa_start": (When, "0.7dur"), "swa_end": (When, "0.97dur"), "update_interval": (Every, "1ep")},
        "Izmailov et al., UAI 2018",
        cost=PLAIN,
        averaged="averaged",
        check_settings=check_swa,
    ),
    "weight_standardization": AlgorithmRow(
        "composer.algorithms:WeightStandardization",
        {"n_last_layers_ignore": (Annotated[int, Field(ge=0)], 0)},
        "Qiao et al., 2019",
        cost=PLAIN,
    ),
    "whitening_stem": AlgorithmRow(
        "algorithms.whitening:WhiteningStem",
        {"samples": (Count, 5000), "epsilon": (Positive, 5e-4), "freeze": (bool, True)},
        "Page, How to train your ResNet, 2019",
        cost=PLAIN,  # but for the gradient that a frozen stem does not compute, which is counted as it happens
        check="algorithms.whitening:find_stem",
    ),
}

# What people look for among the algorithms and find elsewhere in the spec.
ELSEWHERE: dict[str, str] = {
    "randaugment": "augmentation.policy=rand_augment",
    "autoaugment": "augmentation.policy=auto_augment",
    "trivialaugment": "augmentation.policy=trivial_augment_wide",
    "randomerasing": "augmentation.erasing=0.5",
    "amp": "precision=amp",
    "cpuautocast": "precision=auto",
    "compile": "compile=true",
}

# Pairs that would not do what their names promise.
CONFLICTS: tuple[tuple[str, str, str], ...] = (
    ("mixup", "cutmix", "each mixes the batch that the other has already mixed; train one arm with each"),
    ("mixup_cutmix", "mixup", "it mixes the batch by MixUp or by CutMix already"),
    ("mixup_cutmix", "cutmix", "it mixes the batch by MixUp or by CutMix already"),
    ("ema", "swa", "both replace the weights that are evaluated"),
    ("sam", "selective_backprop", "both run extra forward passes and would prune or perturb the other's"),
    ("selective_backprop", "mixup", "it ranks samples by their loss, which mixed samples do not have"),
    ("selective_backprop", "cutmix", "it ranks samples by their loss, which mixed samples do not have"),
    ("selective_backprop", "mixup_cutmix", "it ranks samples by their loss, which mixed samples do not have"),
    ("ghost_batchnorm", "weight_standardization", "Composer's surgery on both leaves BatchNorm of unknown batch size"),
)


def build_algorithms(
    chosen: Mapping[str, Mapping[str, Any]], handed: Mapping[str, Mapping[str, Any]] | None = None
) -> Sequence[Any]:
    """Return Composer algorithm objects in the order of the registry, which fixes the order in which they run.

    `handed` holds, by algorithm and setting, the objects in the place of what a row's `handed` names.
    """
    objects = {name: {key: (handed or {})[name][key] for key in ALGORITHMS[name].handed} for name in chosen}
    rows = ((name, row) for name, row in ALGORITHMS.items() if name in chosen)
    return [import_target(row.target)(**{**chosen[name], **objects[name]}) for name, row in rows]


def uncounted(chosen: Iterable[str]) -> str | None:
    """Return the first of the chosen algorithms whose runs have no known training cost, None where all have one."""
    return next((name for name in chosen if ALGORITHMS[name].cost is None), None)


def unplanned(chosen: Iterable[str]) -> str | None:
    """Return the first of the chosen algorithms whose cost a step is not known beforehand, None where all are known."""
    return next((name for name in chosen if ALGORITHMS[name].cost in (None, AS_FED)), None)


def plan_steps(chosen: Mapping[str, Mapping[str, Any]], steps: Any) -> Any:
    """Return what the chosen algorithms make of a run's `algorithms.costs.Steps`.

    Composer runs them in reverse order on a batch, as on every event after something.
    """
    for name, row in reversed(ALGORITHMS.items()):
        if name in chosen and changes_steps(name):
            steps = import_target(str(row.cost))(steps, chosen[name])
    return steps


def changes_steps(name: str) -> bool:
    """Tell whether an algorithm's row names what it makes of the steps."""
    return ALGORITHMS[name].cost not in (PLAIN, AS_FED, None)


def operate(model: Any, chosen: Mapping[str, Mapping[str, Any]]) -> None:
    """Change a network in place as the chosen algorithms do before training, where that changes what it computes."""
    for name, row in ALGORITHMS.items():
        if name in chosen and row.surgery:
            import_target(row.surgery)(model, **chosen[name])


def import_target(target: str) -> Any:
    """Return the class or function that "module:name" names."""
    module, name = target.split(":")
    return getattr(import_module(module), name)
