"""Dirac initialisation: let each convolution begin as the identity on its first channels.

What: of every convolution but the stem, the first min(in, out) filters pass one input channel through unchanged; the
others keep the random initialisation of the network. A deep stack then starts as a near-identity.

When it pays: networks whose blocks are not residual, or short schedules (+1.5 points for the public CIFAR-100 speed
runs). Cost: none. Grouped and depthwise convolutions keep their initialisation.

Source: Zagoruyko and Komodakis, "DiracNets", 2017.
"""

import torch
from composer.core import Algorithm, Event, State
from composer.loggers import Logger
from torch import nn


def dense_convolutions(model: nn.Module) -> list[nn.Conv2d]:
    """Return the dense convolutions behind a network's first one; raise ValueError where there are none."""
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)][1:]
    dense = [module for module in convolutions if module.groups == 1]
    if not dense:
        raise ValueError("Dirac initialisation needs dense convolutions behind the stem, and this network has none")
    return dense


def dirac_initialise(model: nn.Module) -> int:
    """Set the first filters of each dense convolution but the first to the identity, in place; return how many layers.

    Raises ValueError for a network without such a convolution.
    """
    dense = dense_convolutions(model)
    with torch.no_grad():
        for module in dense:
            nn.init.dirac_(module.weight[: min(module.in_channels, module.out_channels)])
    return len(dense)


class DiracInitialisation(Algorithm):
    """Initialise the network's convolutions once, before training."""

    def match(self, event: Event, state: State) -> bool:
        """Run before a checkpoint is loaded."""
        return event == Event.BEFORE_LOAD

    def apply(self, event: Event, state: State, logger: Logger) -> None:
        """Initialise the convolutions."""
        dirac_initialise(state.model)
