"""Parameters that take no part in the loss: a run trains without them, on any number of processes, and says so.

One process never notices such a parameter: it has no gradient and stays as it is. Several processes wait for its
gradient and fail ("Expected to have finished reduction"), unless DistributedDataParallel looks for such parameters at
every step. That costs a walk through the step's graph, so it is asked for only where it is needed.
"""

from collections.abc import Callable, Sequence

import torch
from composer.core import Algorithm, Event, State
from composer.loggers import Logger
from torch import nn

from bench.data.prepare import Image

SAMPLES = 2


def used_tensors(output: torch.Tensor) -> set[int]:
    """Return the identities of the leaves that get a gradient when one goes back from an output."""
    waiting, seen, leaves = [output.grad_fn], set(), set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaves |= {id(node.variable)} if hasattr(node, "variable") else set()
        waiting += [following for following, _ in node.next_functions]
    return leaves


def unused_parameters(network: nn.Module, image: Image) -> list[str]:
    """Return the names of the trained parameters that a network's logits do not depend on.

    The network, on the CPU or a GPU, goes forward once in training mode with `SAMPLES` images of the shape (C, H, W);
    its statistics, its mode and torch's generators are as before.
    """
    parameters = {name: value for name, value in network.named_parameters() if value.requires_grad}
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    device, mode = next(iter(parameters.values()), torch.empty(0)).device, network.training
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        used = used_tensors(network.train()(torch.zeros(SAMPLES, *image, device=device)))
    network.train(mode)
    with torch.no_grad():
        for name, value in network.named_buffers():
            value.copy_(buffers[name])
    return [name for name, value in parameters.items() if id(value) not in used]


class AllowUnused(Algorithm):
    """Change nothing, and let several processes train a network of which some parameters take no part in the loss."""

    @property
    def find_unused_parameters(self) -> bool:
        """Ask Composer to let DistributedDataParallel look for them."""
        return True

    def match(self, event: Event, state: State) -> bool:
        """Run at no event."""
        return False

    def apply(self, event: Event, state: State, logger: Logger) -> None:
        """Do nothing."""


def allow_unused(network: nn.Module, image: Image, report: Callable[[str], None]) -> Sequence[Algorithm]:
    """Return what a network with unused parameters needs, and report their names; nothing for any other network."""
    names = unused_parameters(network, image)
    if not names:
        return []
    report(f"these parameters do not contribute to the loss and keep their initial values: {', '.join(names)}")
    return [AllowUnused()]
