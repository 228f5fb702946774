"""Count what the network that is about to be trained costs, and log what its training has cost so far."""

from collections.abc import Mapping
from typing import Any

from composer.core import Callback, State
from composer.loggers import Logger
from torch import nn

from bench.zoo.counting.describe import describe_network
from bench.zoo.counting.golden import training_cost

PFLOP = 10**15


def plain_module(model: nn.Module) -> nn.Module:
    """Return the network itself, without the wrappers of DDP and of Composer."""
    while isinstance(getattr(model, "module", None), nn.Module):
        model = model.module  # type: ignore[assignment]
    return model


def training_flops(network: Mapping[str, Any], samples: int) -> int | None:
    """Return the floating-point operations of training on `samples` images (two per MAC), None when uncounted."""
    return None if network["macs"] is None else training_cost(2 * network["macs"], samples)


class CostCallback(Callback):
    """Count parameters, MACs and activations before training, after every model surgery.

    That is before a checkpoint is loaded, which may hold frozen layers: a resumed run describes the same network.
    """

    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        """Take the shape of one image."""
        self.input_shape = input_shape
        self.network: dict[str, Any] = {}

    def after_load(self, state: State, logger: Logger) -> None:
        """Count the network as the Trainer has built it."""
        self.network = describe_network(plain_module(state.model), self.input_shape)
        logger.log_hyperparameters({"network": {key: self.network[key] for key in ("params", "macs", "activations")}})

    def epoch_end(self, state: State, logger: Logger) -> None:
        """Log the training cost so far."""
        flops = training_flops(self.network, int(state.timestamp.sample))
        if flops is not None:
            logger.log_metrics({"cost/training_pflop": flops / PFLOP})
