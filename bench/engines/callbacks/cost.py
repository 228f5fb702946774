"""Count what the network that is about to be trained costs, and log what its training has cost so far."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from composer.core import Callback, State
from composer.loggers import Logger
from torch import nn

from bench.zoo.counting.cost import count_cost
from bench.zoo.counting.fingerprint import fingerprint
from bench.zoo.counting.golden import training_cost

PFLOP = 10**15


def plain_module(model: nn.Module) -> nn.Module:
    """Return the network itself, without the wrappers of DDP and of Composer."""
    while isinstance(getattr(model, "module", None), nn.Module):
        model = model.module  # type: ignore[assignment]
    return model


def describe_network(model: nn.Module, input_shape: tuple[int, int, int]) -> dict[str, Any]:
    """Return the counted cost of one image of `input_shape` (C, H, W) and the network's fingerprint, as plain data.

    A network that the counters disagree on, or that refuses a single image, has a null cost and says why.
    """
    try:
        return {**asdict(count_cost(model, input_shape)), "fingerprint": fingerprint(model)}
    except (RuntimeError, ValueError) as error:  # CountError, and networks that refuse a single image
        return {"params": None, "macs": None, "activations": None, "fingerprint": None, "uncounted_because": str(error)}


def training_flops(network: Mapping[str, Any], samples: int) -> int | None:
    """Return the floating-point operations of training on `samples` images (two per MAC), None when uncounted."""
    return None if network["macs"] is None else training_cost(2 * network["macs"], samples)


class CostCallback(Callback):
    """Count parameters, MACs and activations at the start of training, after every model surgery."""

    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        """Take the shape of one image."""
        self.input_shape = input_shape
        self.network: dict[str, Any] = {}

    def fit_start(self, state: State, logger: Logger) -> None:
        """Count the network as it is trained."""
        self.network = describe_network(plain_module(state.model), self.input_shape)
        logger.log_hyperparameters({"network": {key: self.network[key] for key in ("params", "macs", "activations")}})

    def epoch_end(self, state: State, logger: Logger) -> None:
        """Log the training cost so far."""
        flops = training_flops(self.network, int(state.timestamp.sample))
        if flops is not None:
            logger.log_metrics({"cost/training_pflop": flops / PFLOP})
