"""TorchScript: the traced network, which PyTorch loads alone."""

from io import BytesIO
from pathlib import Path

import torch
from torch import nn

from bench.evaluate.trained import Trained
from bench.export.network import alike, logits_of, sample, use
from bench.export.registry import Written
from bench.util.errors import BadInput
from bench.util.files import write_atomically


def write(trained: Trained, network: nn.Module, path: Path) -> Written:
    """Trace the network, check it on images and on another batch size than it was traced with, and write it."""
    images = sample(trained)
    with torch.no_grad():
        traced = torch.jit.trace(network, images[:2])
    if not alike(logits_of(traced, images), logits_of(network, images)):
        raise BadInput(f"{trained.record.path}: its network depends on more than its images: it cannot be traced")
    content = BytesIO()
    torch.jit.save(traced, content)
    write_atomically(path, content.getvalue())
    return Written(["import torch", f"network = torch.jit.load({str(path)!r}).eval()", *use(trained)])
