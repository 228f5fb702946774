"""What a run may cost in place of how long it lasts: `budget:` becomes a duration, and the warm-up is scaled to it.

    budget: 0.1 PFLOP     equal training compute: what the passes of all steps cost, 2 FLOP a multiply-accumulate
    budget: 10ep          equal epochs

Of `budget` and `max_duration` the one with the higher precedence holds. A duration below the budget is what the recipe
was made for: its warm-up, cool-down and milestones keep their shares of the run (5 of 200 epochs become 2.5 % of the
batches). What of a schedule is declared with the budget or above it is taken as it is. The resolved spec holds the
duration and the schedule that come out, so the run can be repeated without the budget.

Compute is planned for one process: three forward passes an image where no algorithm says otherwise, on the network with
the layers that algorithms add. A run's result counts the same (`bench.zoo.counting.training`), but for frozen layers,
whose gradients are not computed: that is not planned, so a run with a frozen stem is recorded with less than its budget
(speed_75 with 0.340 of the 0.349 PFLOP that its steps are planned to cost). A budget of compute is refused where an
algorithm's cost is only known when it happens.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from algorithms.registry import ALGORITHMS, changes_steps, operate, unplanned
from bench.data.sizes import size_shares
from bench.schedule import durations
from bench.spec import RunSpec, Scalar
from bench.util.duration import STEP_UNITS, Duration
from bench.util.errors import BadInput, nearest
from bench.zoo.counting.golden import Golden, read_golden
from bench.zoo.counting.planned import most_steps, planned_tally
from bench.zoo.counting.training import Share, Size, training_macs
from bench.zoo.models import MODELS

FLOP_UNITS = {"GFLOP": 10**9, "TFLOP": 10**12, "PFLOP": 10**15, "EFLOP": 10**18}
FORMS = "training compute such as '0.1 PFLOP' (GFLOP, TFLOP, PFLOP, EFLOP), or epochs such as '10ep'"
# The duration of a spec that is validated before its budget has become one.
PLACEHOLDER = "1ep"


class Asked(NamedTuple):
    """A budget as it is declared: where, for which recipe's duration, and beside which duration, if any."""

    text: str
    source: str
    reference: str | None = None
    beside: str | None = None
    # The settings of the schedule that are taken as they are declared.
    kept: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Sizes:
    """How many images are trained on and evaluated, their shape (C, H, W), and the number of classes."""

    train: int
    evaluation: int
    image: tuple[int, int, int]
    classes: int


def find_budget(layers: Sequence[tuple[str, Mapping[str, Any]]]) -> Asked | None:
    """Return the budget that holds among the layers of a spec (lowest precedence first), None when a duration does.

    Raises BadInput that names the source for a budget that is no amount.
    """
    budget, duration = last_with(layers, "budget"), last_with(layers, "max_duration")
    if budget < 0 or duration > budget or layers[budget][1]["budget"] is None:
        return None
    source, content = layers[budget]
    text = normalise(content["budget"], source)
    beside = str(content["max_duration"]) if duration == budget else None
    reference = layers[duration][1]["max_duration"] if 0 <= duration < budget else None
    declared = [schedule_keys(content) for _, content in layers[budget:]]
    return Asked(text, source, reference, beside, frozenset[str]().union(*declared))


def last_with(layers: Sequence[tuple[str, Mapping[str, Any]]], key: str) -> int:
    """Return the index of the last layer that holds a key, -1 when none does."""
    return max((index for index, (_, content) in enumerate(layers) if key in content), default=-1)


def schedule_keys(content: Mapping[str, Any]) -> frozenset[str]:
    """Return the settings of the schedule that a layer declares."""
    schedule = content.get("schedule")
    return frozenset(schedule) if isinstance(schedule, Mapping) else frozenset()


def normalise(value: Any, source: str) -> str:
    """Return a budget as it is recorded, `0.1 PFLOP` or `10ep`; raise BadInput for anything else."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?) *([A-Za-z]+)", str(value))
    number, unit = match.groups() if match else ("0", "")
    amount = Decimal(number)
    if unit == "ep" and amount >= 1 and amount == int(amount):
        return f"{int(amount)}ep"
    if unit in FLOP_UNITS and amount > 0:
        return f"{amount.normalize():f} {unit}"
    hint = nearest(unit, [*FLOP_UNITS, "ep"]) if unit else ""
    raise BadInput(f"{source}: key 'budget': {value!r}: allowed is {FORMS}.{hint}")


def resolve_budget(asked: Asked, spec: RunSpec) -> dict[str, Any]:
    """Return the top-level keys (budget, max_duration, schedule) that a budget gives a spec.

    The batches are the most that the compute pays for. Raises BadInput for less than one batch, for a duration beside
    the budget that differs, and for a warm-up that is as long as the run.
    """
    duration = resolve_duration(asked, spec)
    if asked.beside not in (None, str(duration)):
        raise BadInput(
            f"{asked.source}: key 'max_duration': '{asked.beside}' and budget '{asked.text}', which is {duration} for "
            f"{spec.model.name} in batches of {spec.batch_size}, contradict each other; leave one of them out"
        )
    schedule = scale_schedule(asked, spec, duration)
    warmup = schedule["warmup"]
    if warmup and warmup.unit != "dur" and in_batches(warmup, spec) >= in_batches(duration, spec):
        raise BadInput(f"{asked.source}: key 'budget': '{asked.text}' ({duration}) is all warm-up ({warmup})")
    return {"budget": asked.text, "max_duration": duration, "schedule": schedule}


def resolve_duration(asked: Asked, spec: RunSpec) -> Duration:
    """Return the duration that a budget pays for: whole batches for compute, epochs as they are."""
    if " " not in asked.text:
        return Duration.parse(asked.text)
    unknown_cost = unplanned(spec.algorithms)
    if unknown_cost:
        raise BadInput(
            f"{asked.source}: key 'budget': '{asked.text}': what a step with algorithm '{unknown_cost}' costs is not "
            "known before training; declare epochs, such as budget=10ep or max_duration=10ep, or leave it out"
        )
    number, unit = asked.text.split()
    count = cache(lambda size: forward_macs(spec, size))

    def cost(batches: int) -> int:
        """Return the FLOPs of a run of so many batches."""
        return planned_flops(spec, Duration(Decimal(batches), "ba"), count)

    batches = most_steps(cost, Fraction(number) * FLOP_UNITS[unit])
    if batches < 1:
        raise BadInput(
            f"{asked.source}: key 'budget': '{asked.text}' pays for less than one batch of {spec.batch_size} "
            f"images with {spec.model.name} ({cost(1) / 10**12:.3g} TFLOP)"
        )
    return Duration(Decimal(batches), "ba")


def planned_flops(spec: RunSpec, duration: Duration, forward: Callable[[Size], int]) -> int:
    """Return the floating-point operations of training a spec for a duration, on one process.

    `forward` gives the MACs of an image by its size. Raises BadInput when a size of the data or a network is not known.
    """
    changed = any(changes_steps(name) for name in spec.algorithms)
    epoch = steps_an_epoch(spec) if changed or duration.unit == "ep" else None
    sizes = spec.augmentation.sizes
    shares: list[Share] = [*size_shares(sizes)] if sizes else [(1, image_size(spec))]
    tally = planned_tally(spec.algorithms, duration, shares, batch_size=spec.batch_size, epoch_steps=epoch)
    return 2 * training_macs(tally, forward)


def scale_schedule(asked: Asked, spec: RunSpec, duration: Duration) -> dict[str, Any]:
    """Return the lengths and points of the schedule: the recipe's shares of its own duration in batches, or as kept."""

    def scaled(value: Any, key: str) -> Any:
        """Return a length, or a list of them, as the budget has it; anything else as it is."""
        if isinstance(value, list):
            return [scaled(item, key) for item in value]
        if not isinstance(value, Duration) or value.unit == "dur" or asked.reference is None or key in asked.kept:
            return value
        if not value:
            return Duration.parse("0ep")
        share = in_batches(value, spec) / in_batches(parse_reference(asked), spec)
        return Duration(Decimal(max(1, round(share * in_batches(duration, spec)))), "ba")

    return {key: scaled(getattr(spec.schedule, key), key) for key, _ in durations(spec.schedule)}


def parse_reference(asked: Asked) -> Duration:
    """Return the duration that a recipe was made for; raise BadInput for one that is none."""
    try:
        return Duration.parse(str(asked.reference))
    except ValueError as error:
        raise BadInput(f"key 'max_duration', which the budget replaces: {asked.reference!r}: {error}") from None


def in_batches(duration: Duration, spec: RunSpec) -> Fraction:
    """Return a duration in epochs, batches or samples as a number of batches; an epoch drops its last partial one.

    Raises BadInput for a duration in seconds, and when epochs are counted of a data set whose size is not known.
    """
    if duration.unit not in STEP_UNITS:
        raise BadInput(f"a duration of '{duration}' has no number of batches; use ep, ba or sp")
    return duration.batches(steps_an_epoch(spec) if duration.unit == "ep" else None, spec.batch_size)


def steps_an_epoch(spec: RunSpec) -> int:
    """Return the batches of an epoch, which drops its last partial one."""
    return max(1, data_sizes(spec).train // spec.batch_size)


def data_sizes(spec: RunSpec) -> Sizes:
    """Return the sizes of a spec's data: of its files, else those a registered data set is known to have.

    Raises BadInput for a data set that is neither there nor registered.
    """
    # Imported here: numpy is not needed to read the specs that have no budget.
    from bench.data.datasets import DATASETS, data_root, find_folder

    known = DATASETS.get(spec.data.name)
    folder = data_root(spec.data.root) / spec.data.name
    if known and not (folder / "train_images.npy").is_file():
        held = known.train // 10 if spec.data.split == "tuning" else 0
        return Sizes(known.train - held, held or known.test, known.image, known.classes)
    return read_sizes(find_folder(spec.data.name, data_root(spec.data.root)), spec, known.classes if known else None)


def read_sizes(folder: Path, spec: RunSpec, classes: int | None) -> Sizes:
    """Return the sizes of a prepared data set from its headers, and from its labels when some are held out."""
    from bench.data.datasets import tuning_indices
    from bench.data.layout import CLASSES_FILE, read_classes, read_header, read_labels

    count = classes or len(read_classes(folder / CLASSES_FILE))
    train, height, width, channels = read_header(folder / "train_images.npy").shape
    evaluation = read_header(folder / "test_images.npy").shape[0]
    if spec.data.split == "tuning":
        kept, held = tuning_indices(read_labels(folder / "train_labels.npy", count))
        train, evaluation = len(kept), len(held)
    return Sizes(train, evaluation, (channels, height, width), count)


def image_size(spec: RunSpec) -> Size:
    """Return the height and width of a spec's images; those of the golden figures need no look at the data."""
    from bench.zoo.counting.reference import IMAGE

    return IMAGE[1:] if is_golden(spec) else data_sizes(spec).image[1:]


def forward_macs(spec: RunSpec, size: Size | None = None) -> int:
    """Return the multiply-accumulates of one image of a size, by default the data's, with the layers algorithms add.

    It is the zoo's golden figure, else counted on the network built now, which alone imports torch: for a timm model,
    options, a stem or added layers, another number of classes or another size. Raises BadInput for a network that
    cannot be built or counted.
    """
    from bench.zoo.counting.reference import IMAGE

    added = {name: settings for name, settings in spec.algorithms.items() if ALGORITHMS[name].surgery}
    if is_golden(spec) and size in (None, IMAGE[1:]) and not added:
        return golden_figures()[spec.model.name].macs
    data, model = data_sizes(spec), spec.model
    options = tuple(model.options.items())
    size = size or data.image[1:]
    return count_macs(model.name, model.stem, options, data.image, data.classes, size, json.dumps(added))


@lru_cache(maxsize=256)
def count_macs(
    name: str,
    stem: str | None,
    options: tuple[tuple[str, Scalar], ...],
    image: tuple[int, int, int],
    classes: int,
    size: Size,
    added: str,
) -> int:
    """Return the multiply-accumulates of one image, counted on the network; raise BadInput when it cannot be built.

    The network is built for images of shape `image`, and counted at a size (height, width). `added` are the algorithms
    that add layers, with their settings, as JSON.
    """
    from bench.zoo.build import build_model
    from bench.zoo.counting.cost import CountError, count_cost

    try:
        model = build_model(name, classes, image, stem=stem, options=dict(options))
        operate(model, json.loads(added))
        return count_cost(model, (image[0], *size)).macs
    except CountError as error:
        raise BadInput(f"model '{name}': its cost cannot be counted: {error}") from None


def is_golden(spec: RunSpec) -> bool:
    """Tell whether a spec trains the zoo's own network of that name, on images and classes as the zoo counts them."""
    from bench.data.datasets import DATASETS
    from bench.zoo.counting.reference import IMAGE, NUM_CLASSES

    row, known = MODELS.get(spec.model.name), DATASETS.get(spec.data.name)
    if row is None or known is None or spec.model.stem is not None:
        return False
    if (known.image, known.classes) != (IMAGE, NUM_CLASSES):
        return False
    named = spec.model.name in golden_figures()
    return named and all(row.options.get(key) == value for key, value in spec.model.options.items())


@cache
def golden_figures() -> Mapping[str, Golden]:
    """Return the zoo's golden figures, read once."""
    return read_golden()
