"""A run's network as it is evaluated: built and changed as for training, with the weights of a checkpoint."""

import atexit
from collections.abc import Mapping
from typing import Any

import torch
from composer.core import Engine, Event, State
from composer.loggers import Logger
from composer.utils import get_device
from torch import Tensor, nn

from algorithms.convolution_products import use_products
from algorithms.cpu_autocast import SLOW, CPUAutocast, keep_float32
from algorithms.registry import ALGORITHMS, build_algorithms
from algorithms.small_maps import SmallMaps
from bench.data.datasets import Dataset
from bench.engines.checkpoints import Content, Damaged
from bench.engines.classifier import Classifier
from bench.engines.precision import BF16, autocast
from bench.engines.snapshot import describe
from bench.spec import RunSpec
from bench.zoo.build import build_declared


def evaluated_weights(content: Content) -> dict[str, Tensor]:
    """Return the weights and statistics that are evaluated at a checkpoint: the moving average's where there is one.

    SWA puts its average in the model's place itself. EMA does so for each evaluation alone; where it is in its place,
    its own state holds the weights that are trained.
    """
    weights = dict(content["model"])
    average = content["algorithms"].get("EMA", {})
    if average.get("ema_started") and not average.get("ema_weights_active"):
        kept = average["ema_model"]
        averaged = {**kept["named_parameters_dict"], **kept["named_buffers_dict"]}
        weights |= {plain_name(name, weights): value for name, value in averaged.items()}
    return weights


def plain_name(name: str, weights: Mapping[str, Tensor]) -> str:
    """Return what the model itself calls a weight: several processes train it within DDP, whose name EMA keeps."""
    return name if name in weights else name.removeprefix("module.")


def build_network(spec: RunSpec, dataset: Dataset, device: str) -> Classifier:
    """Return the run's untrained network on a device ("cpu" or "gpu"), with the changes that its algorithms make."""
    model = Classifier(build_declared(spec.model, dataset))
    place = get_device(device)
    place.module_to_device(model)
    # What is handed objects from outside, as a teacher, changes the training alone.
    chosen = {name: settings for name, settings in spec.algorithms.items() if not ALGORITHMS[name].handed}
    algorithms = build_algorithms(chosen)
    state = State(model, rank_zero_seed=spec.seed, run_name="evaluation", device=place, algorithms=algorithms)
    engine = Engine(state, Logger(state))
    engine.run_event(Event.INIT)
    # Composer would hold on to the network until the process ends, to close its engine then.
    atexit.unregister(engine._close)
    return model


def load_weights(model: nn.Module, content: Content) -> None:
    """Give a network the evaluated weights of a checkpoint; raise Damaged for those of another network."""
    try:
        weights: Mapping[str, Any] = evaluated_weights(content)
    except (KeyError, TypeError, AttributeError):
        raise Damaged("its weights are missing") from None
    if describe(model.state_dict()) != describe(weights):
        raise Damaged(f"{first_difference(weights, model.state_dict())}: its weights do not fit this network")
    model.load_state_dict(weights)


def first_difference(found: Mapping[str, Any], expected: Mapping[str, Tensor]) -> str:
    """Return in words the first weight in which a checkpoint differs from a network."""
    for name, value in expected.items():
        if name not in found:
            return f"'{name}' is missing"
        theirs = found[name]
        if not isinstance(theirs, Tensor) or (theirs.shape, theirs.dtype) != (value.shape, value.dtype):
            return f"'{name}' is {kind_of(theirs)}, in the network {kind_of(value)}"
    return f"'{next(iter(found.keys() - expected.keys()), '')}' is none of the network's"


def kind_of(value: Any) -> str:
    """Return shape and type of a weight in words."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{'×'.join(map(str, value.shape)) or 'one number'} {str(value.dtype).removeprefix('torch.')}"


def keep_as_trained(model: nn.Module, content: Content, precision: str) -> None:
    """Let a CPU compute convolutions as the run did: by products, or in float32 under bfloat16's autocast.

    A checkpoint of before the latter were saved is from the kind of CPU for which they were first measured.
    """
    saved = content["algorithms"]
    use_products(model, (saved.get(SmallMaps.__qualname__) or {}).get("choices", {}))
    if precision == BF16:
        keep_float32(model, (saved.get(CPUAutocast.__qualname__) or {}).get("slow", SLOW["AVX512-BF16"]))


@torch.no_grad()
def classify(model: nn.Module, images: Tensor, precision: str) -> Tensor:
    """Return the float32 logits, N×classes, of normalised N×3×H×W images on the network's device, as a run does."""
    model.eval()
    with autocast(images.device.type, precision):
        outputs: Tensor = model((images, None))
    return outputs.float()
