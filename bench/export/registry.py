"""The formats as one dict: name → what a file of it holds, and the module that writes it; none imports torch here.

A format is a row here and the file that it names, which has `write(trained, network, path)`: it writes the network and
returns what it checked and the lines that load it (`Written`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from bench.evaluate.trained import Trained


@dataclass(frozen=True)
class Written:
    """What is said of a written file: the lines that load it and classify `images`, and what was checked."""

    lines: Sequence[str]
    checked: str = ""


@dataclass(frozen=True)
class Format:
    """A format: what it holds, how its paths end, the module that writes it, and the packages that this needs."""

    summary: str
    suffix: str
    module: str
    needs: tuple[str, ...] = ()

    @property
    def write(self) -> "Callable[[Trained, nn.Module, Path], Written]":
        """Return the function that writes a network."""
        function: Callable[[Trained, nn.Module, Path], Written] = import_module(self.module).write
        return function


FORMATS: dict[str, Format] = {
    "torchscript": Format("the network itself, for PyTorch alone", ".pt", "bench.export.as_torchscript"),
    "onnx": Format(
        "the network itself, for any ONNX runtime; checked on 1,000 images",
        ".onnx",
        "bench.export.as_onnx",
        ("onnx", "onnxruntime"),
    ),
    "timm": Format("a folder that timm loads, of a network that is timm's own", "", "bench.export.as_timm"),
    "safetensors": Format(
        "the weights alone, by the names of the modules", ".safetensors", "bench.export.as_safetensors"
    ),
}


def others(name: str) -> str:
    """Return the formats beside one, for messages."""
    return ", ".join(other for other in FORMATS if other != name)
