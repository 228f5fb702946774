"""The schema of a run: what a YAML may say, with types, ranges and defaults; frozen once validated.

`bench.config` reads YAML files into a `RunSpec`; nothing else makes one. No torch or composer is imported here.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    Tag,
)

from algorithms.registry import TrainedWeights, as_weights
from bench.util.dotted import value_at
from bench.util.duration import Duration

Scalar = bool | int | float | str


def read_duration(units: Collection[str], *, whole: bool = False, zero: bool = False) -> Callable[[Any], Duration]:
    """Return the validator of a duration in one of some units; unless allowed, one of nothing is refused."""
    allowed = f"allowed is a number with one of the units {', '.join(units)}{', above 0' if not zero else ''}"

    def read(value: Any) -> Duration:
        """Return the duration of a text; raise ValueError that says what is allowed."""
        try:
            duration = value if isinstance(value, Duration) else Duration.parse(value)
        except ValueError as error:
            raise ValueError(f"{allowed}; {error}") from None
        if duration.unit not in units or not (duration or zero):
            raise ValueError(allowed)
        if whole and duration.value != int(duration.value):
            raise ValueError("whole numbers only")
        return duration

    return read


def read_sizes(value: Any) -> tuple[tuple[float, int], ...]:
    """Return [share, pixels] pairs as tuples; raise ValueError that says what is allowed."""
    listed = value if isinstance(value, list | tuple) else []
    pairs = [tuple(pair) if isinstance(pair, list | tuple) else () for pair in listed]
    shares = [pair[0] for pair in pairs if len(pair) == 2]
    pixels = [pair[1] for pair in pairs if len(pair) == 2]
    numbers = all(type(share) in (int, float) and math.isfinite(share) for share in shares) and all(
        type(size) is int for size in pixels
    )
    if not pairs or len(shares) != len(pairs) or not numbers or min(pixels) < 1 or shares[-1] != 1:
        raise ValueError("a list of [share of the steps, pixels] is expected, the last share 1: [[0.5, 24], [1.0, 32]]")
    if any(one >= other for one, other in zip([0, *shares], shares, strict=False)):
        raise ValueError("the shares must rise from above 0 to 1")
    return tuple((float(share), int(size)) for share, size in pairs)


def to_lists(pairs: tuple[tuple[float, int], ...]) -> list[list[float | int]]:
    """Return pairs as a record holds them."""
    return [list(pair) for pair in pairs]


# How long a run lasts, and how often something is done in it.
LENGTHS = ("ep", "ba", "sp", "sec")
Length = Annotated[Duration, PlainValidator(read_duration(LENGTHS)), PlainSerializer(str)]
Interval = Annotated[Duration, PlainValidator(read_duration(LENGTHS, whole=True)), PlainSerializer(str)]
# Of a schedule: where in the run something is, and how long a part of it is.
Point = Annotated[Duration, PlainValidator(read_duration((*LENGTHS, "dur"))), PlainSerializer(str)]
Part = Annotated[Duration, PlainValidator(read_duration((*LENGTHS, "dur"), zero=True)), PlainSerializer(str)]
Sizes = Annotated[tuple[tuple[float, int], ...], PlainValidator(read_sizes), PlainSerializer(to_lists)]
SafeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}$")]
ModelName = Annotated[str, StringConstraints(pattern=r"^(timm/)?[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}$")]


class Section(BaseModel):
    """A part of the spec: strict types, no unknown keys, no change after validation."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=(), allow_inf_nan=False)


class WeightsSection(TrainedWeights, Section):
    """Trained weights that a network starts from; in a YAML their path alone will do."""


class ModelSection(Section):
    """Which network is trained."""

    name: ModelName
    stem: Literal["imagenet", "cifar"] | None = None
    options: dict[str, Scalar] = {}
    # Where the training starts: the folder of a finished run, or a safetensors file; null is from scratch.
    weights: Annotated[WeightsSection, BeforeValidator(as_weights)] | None = None


class AugmentationSection(Section):
    """What is done to a training image; every draw is keyed by (seed, epoch, sample index)."""

    crop_padding: int = Field(default=4, ge=0, le=16)
    # With what an image is padded before it is cropped: black, or itself mirrored at its border.
    padding_mode: Literal["constant", "reflect"] = "constant"
    # Alternating: each image's first side is drawn, then it changes every epoch.
    flip: Literal[True, False, "alternating"] = True
    policy: Literal["none", "trivial_augment_wide", "rand_augment", "auto_augment"] = "none"
    erasing: float = Field(default=0.0, ge=0.0, le=1.0)
    # RandAugment's number of operations an image and their strength; the other policies draw their own.
    num_ops: int = Field(default=2, ge=1, le=8)
    magnitude: int = Field(default=9, ge=0, le=30)
    # Progressive sizes: [share of the run's steps until which, pixels] in ascending order, the last share 1.
    sizes: Sizes | None = None


class DataSection(Section):
    """Which images are trained on and evaluated; `tuning` holds 5,000 training images out and never sees test."""

    name: SafeName = "cifar100"
    root: str | None = None
    split: Literal["test", "tuning"] = "test"


# Which parameters weight decay acts on: all, weights of two dimensions or more, or those of linear layers alone.
Decay = Literal["all", "weights", "linear"]


class SGDSection(Section):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"]
    lr: float = Field(gt=0.0)
    momentum: float = Field(default=0.9, ge=0.0, lt=1.0)
    nesterov: bool = False
    weight_decay: float = Field(default=0.0, ge=0.0)
    decay: Decay = "all"


class AdamWSection(Section):
    """AdamW (Loshchilov and Hutter, 2019)."""

    name: Literal["adamw"]
    lr: float = Field(gt=0.0)
    beta1: float = Field(default=0.9, ge=0.0, lt=1.0)
    beta2: float = Field(default=0.999, ge=0.0, lt=1.0)
    eps: float = Field(default=1e-8, gt=0.0)
    weight_decay: float = Field(default=0.0, ge=0.0)
    decay: Decay = "all"


class MuonSection(Section):
    """Muon (Jordan et al., 2024) for dense filters and hidden matrices, SGD or AdamW for the rest (`algorithms.muon`).

    Schedules scale both learning rates alike.
    """

    name: Literal["muon"]
    lr: float = Field(gt=0.0)
    momentum: float = Field(default=0.6, ge=0.0, lt=1.0)
    nesterov: bool = True
    # Newton-Schulz steps of an update.
    steps: int = Field(default=3, ge=1, le=10)
    # Rescale each filter bank to the norm √(out channels) before its update, in place of weight decay.
    rescale: bool = True
    weight_decay: float = Field(default=0.0, ge=0.0)
    rest: SGDSection | AdamWSection = Field(discriminator="name")


OptimizerSection = SGDSection | AdamWSection | MuonSection


class ScheduleSection(Section):
    """The learning rate over the run as a factor of the optimizer's `lr` (`algorithms.schedules`), after a warm-up."""

    name: str
    warmup: Part = Duration.parse("0ep")


class DecaySection(ScheduleSection):
    """A fall from the end of the warm-up to `final` at the end of the run."""

    final: float = Field(default=0.0, ge=0.0, le=1.0)


class CosineSection(DecaySection):
    """Half a cosine, without restarts."""

    name: Literal["cosine"] = "cosine"


class LinearSection(DecaySection):
    """A straight line."""

    name: Literal["linear"]


class RexSection(DecaySection):
    """Slow first and fast at the end."""

    name: Literal["rex"]


class TrapezoidSection(DecaySection):
    """Constant, with a straight line over the last part of the run."""

    name: Literal["trapezoid"]
    cooldown: Part = Duration.parse("0.2dur")


class MultistepSection(ScheduleSection):
    """Multiplied by `gamma` at each milestone, counted from the start of the run."""

    name: Literal["multistep"]
    milestones: list[Point] = Field(min_length=1)
    gamma: float = Field(default=0.1, gt=0.0, lt=1.0)


class ConstantSection(ScheduleSection):
    """The optimizer's `lr`."""

    name: Literal["constant"]


SCHEDULE_SECTIONS: dict[str, type[ScheduleSection]] = {
    "cosine": CosineSection,
    "linear": LinearSection,
    "constant": ConstantSection,
    "trapezoid": TrapezoidSection,
    "rex": RexSection,
    "multistep": MultistepSection,
}
DEFAULT_SCHEDULE = "cosine"


def kind_of_schedule(value: Any) -> Any:
    """Return the name of a schedule, given or by default; None for what is no section."""
    return value.get("name", DEFAULT_SCHEDULE) if isinstance(value, dict) else getattr(value, "name", None)


AnySchedule = Annotated[
    Annotated[CosineSection, Tag("cosine")]
    | Annotated[LinearSection, Tag("linear")]
    | Annotated[ConstantSection, Tag("constant")]
    | Annotated[TrapezoidSection, Tag("trapezoid")]
    | Annotated[RexSection, Tag("rex")]
    | Annotated[MultistepSection, Tag("multistep")],
    Discriminator(kind_of_schedule),
]


class CheckpointSection(Section):
    """How often a run is saved, and how many of its newest checkpoints are kept."""

    interval: Interval = Duration.parse("1ep")
    keep: int = Field(default=2, ge=1)


class DeepSpeedSection(Section):
    """How DeepSpeed trains a run, with `engine: deepspeed`; results stay the same but for rounding.

    `accumulation_steps` parts a process's batch, as more processes would: batch statistics are computed of each part.
    """

    # What is partitioned over the processes: 0 nothing, 1 the optimizer's state, 2 gradients too, 3 parameters too.
    zero_stage: int = Field(default=0, ge=0, le=3)
    # Keep the optimizer's state in the host's memory, and update there.
    offload_optimizer: bool = False
    accumulation_steps: int = Field(default=1, ge=1)


class WandbSection(Section):
    """Where the run is logged; the mode is WANDB_MODE if set, else offline under the run directory."""

    enabled: bool = True
    project: SafeName = "efficient-training-bench"
    entity: SafeName | None = None


class RunSpec(Section):
    """One training run, fully resolved."""

    experiment: SafeName = "default"
    runs: str = "runs"
    model: ModelSection
    data: DataSection = DataSection()
    augmentation: AugmentationSection = AugmentationSection()
    batch_size: int = Field(ge=1)
    eval_batch_size: int = Field(default=2000, ge=1)
    max_duration: Length
    # What `max_duration` and the warm-up were made from, if it was declared in their place (`bench.budget`).
    budget: str | None = None
    optimizer: OptimizerSection = Field(discriminator="name")
    schedule: AnySchedule = CosineSection()
    algorithms: dict[str, dict[str, Any]] = {}
    # `auto` and `amp` (mixed precision or refused) become one of the others on the hardware: `bench.engines.precision`.
    precision: Literal["auto", "amp", "fp32", "amp_fp16", "amp_bf16"] = "auto"
    compile: bool = False
    # What trains the run, a name of `bench.engines.registry`; the recipe is the same on each of them.
    engine: str = "composer"
    deepspeed: DeepSpeedSection = DeepSpeedSection()
    device: Literal["auto", "cpu", "gpu"] = "auto"
    threads: int | None = Field(default=None, ge=1)
    eval_interval: Interval = Duration.parse("1ep")
    checkpoint: CheckpointSection = CheckpointSection()
    wandb: WandbSection = WandbSection()
    seed: int = Field(default=0, ge=0, lt=2**31)


class AblationSection(Section):
    """What the file of an ablation says beside its arms and their recipe: how tables show it."""

    # The file's name where it is not said.
    title: str | None = None
    title_zh: str | None = None
    # Arm, or other name → what tables call it, in place of the words for its difference.
    labels: dict[str, str] = {}
    # Model of the zoo → the arm whose network it is as well; its runs are shown where there are any.
    other_names: dict[str, ModelName] = {}


# Where weights are that a run learns from or starts from: their digests stand for these paths.
WEIGHTS_PATHS = ("algorithms.distillation.teacher.path", "model.weights.path")
# Keys that say where or how a run is executed and recorded, not what is trained.
NOT_IDENTITY = (
    "seed",
    "budget",
    "experiment",
    "runs",
    "data.root",
    *WEIGHTS_PATHS,
    "engine",
    "deepspeed",
    "device",
    "threads",
    "checkpoint",
    "wandb",
    "eval_interval",
    "eval_batch_size",
)

# Keys of which every node of a run has its own value.
OF_A_NODE = ("runs", "data.root", "threads")


# Keys that are part of the identity where they are set: recipes that were declared before the schema had them stay
# the same, to the hash.
WHERE_SET = ("model.weights",)


def recipe_identity(spec: RunSpec) -> dict[str, Any]:
    """Return the part of the spec that decides the result, without the seed."""
    return identity_of(spec.model_dump(mode="json"))


def identity_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a complete spec, as plain data, that decides the result."""
    unset = [key for key in WHERE_SET if not value_at(content, key)]
    return leave_out(content, [*NOT_IDENTITY, *unset])


def shared_keys(spec: RunSpec) -> dict[str, Any]:
    """Return the part of the spec in which all nodes of a run must agree."""
    return leave_out(spec.model_dump(mode="json"), OF_A_NODE)


def leave_out(content: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return nested content without some dotted keys; one that it does not have is no error."""
    result = dict(content)
    for section, _, below in (key.partition(".") for key in keys):
        if not below:
            result.pop(section, None)
        elif isinstance(result.get(section), Mapping):
            result[section] = leave_out(result[section], [below])
    return result


def recipe_hash(spec: RunSpec) -> str:
    """Return the recipe's identity as 8 hexadecimal digits of the SHA-256 of its canonical JSON."""
    canonical = json.dumps(recipe_identity(spec), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]


def run_name(spec: RunSpec) -> str:
    """Return the folder name of the run, `<model>-<recipe hash>-s<seed>`; a model's slash becomes a dash."""
    return f"{re.sub('/', '-', spec.model.name)}-{recipe_hash(spec)}-s{spec.seed}"
