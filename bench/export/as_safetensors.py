"""safetensors: the weights alone, by the names of the network's modules, with the model's name as metadata."""

from pathlib import Path

import safetensors.torch
from torch import nn

from bench.engines.weights import network_weights
from bench.evaluate.trained import Trained
from bench.export.as_timm import timm_name
from bench.export.network import use
from bench.export.registry import Written
from bench.util.files import write_atomically


def write(trained: Trained, network: nn.Module, path: Path) -> Written:
    """Write the weights; the lines build the network by timm where it is timm's own."""
    weights = network_weights(trained.checkpoint.content)
    about = {"format": "pt", "model": trained.spec.model.name}
    write_atomically(path, safetensors.torch.save(weights, about))
    load, name = f"safetensors.torch.load_file({str(path)!r})", timm_name(trained, network)
    if name is None:
        otherwise = "the network is none of timm's: --format torchscript and onnx write it too"
        return Written(["import safetensors.torch", f"weights = {load}  # by name; {otherwise}"])
    return Written(
        [
            "import timm, torch, safetensors.torch",
            f"network = timm.create_model({name!r}, num_classes={len(trained.dataset.classes)}).eval()",
            f"network.load_state_dict({load})",
            *use(trained),
        ]
    )
