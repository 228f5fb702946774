"""The weights that a finished run was evaluated with, as a safetensors file that plain PyTorch loads.

network.load_state_dict(safetensors.torch.load_file("weights.safetensors"))
"""

from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from bench.engines.checkpoints import Content
from bench.engines.evaluated import evaluated_weights
from bench.records import WEIGHTS
from bench.util.files import write_atomically

# What the network is called within the module that Composer trains.
PREFIX = "module."


def network_weights(content: Content) -> dict[str, Tensor]:
    """Return the evaluated weights and statistics of a checkpoint by the names of the network itself, in float32."""
    return {
        name.removeprefix(PREFIX): (value.float() if value.is_floating_point() else value).cpu().contiguous()
        for name, value in evaluated_weights(content).items()
    }


def write_weights(run: Path, content: Content, metadata: dict[str, str]) -> None:
    """Write the evaluated weights of a run's final checkpoint beside its record, whole or not at all."""
    with torch.no_grad():
        write_atomically(run / WEIGHTS, safetensors.torch.save(network_weights(content), {"format": "pt", **metadata}))
