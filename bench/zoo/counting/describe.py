"""What a record says of a network: each quantity counted by itself, so that one failure leaves the others."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

from torch import nn

from bench.util.errors import first_line
from bench.zoo.counting.cost import count_cost, count_parameters, observe
from bench.zoo.counting.fingerprint import fingerprint

Result = TypeVar("Result")


def describe_network(model: nn.Module, input_shape: tuple[int, int, int]) -> dict[str, Any]:
    """Return params, macs, activations and fingerprint for an image of `input_shape` (C, H, W), as plain data.

    Also the fields of `Cost`, where it could be counted. A quantity that could not be counted is None, and
    `uncounted_because` maps its name to the reason.
    """
    reasons: dict[str, str] = {}

    def attempt(count: Callable[[], Result], *names: str) -> Result | None:
        """Return what is counted, or None and note why for the quantities that need it."""
        try:
            return count()
        except Exception as error:  # whatever a network or a counter raises: no count is worth a training
            reasons.update(dict.fromkeys(names, first_line(error)))
            return None

    params = attempt(lambda: count_parameters(model), "params")
    seen = attempt(lambda: observe(model, input_shape), "macs", "activations")
    cost = attempt(lambda: count_cost(model, input_shape, seen), "macs") if seen else None
    activations = attempt(lambda: seen.activations, "activations") if seen else None
    network = {"params": params, "macs": None, "activations": activations, **(asdict(cost) if cost else {})}
    network["fingerprint"] = attempt(lambda: fingerprint(model, input_shape), "fingerprint")
    return {**network, "uncounted_because": reasons} if reasons else network
