"""`python -m bench.export RUN`: write a finished run's network so that it loads without this package."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.util.cli import OK, make_parser, run_command
from bench.util.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bench.evaluate.trained import Trained

SUMMARY = """\
Write the network of a finished run, with the evaluated weights, so that it loads without this package, and print the
lines that load it. torchscript holds the network itself; safetensors the weights alone, by the names of its modules."""
EXAMPLE = "python -m bench.export runs/deck/resnet_20-6e2f9c1a-s0 --format torchscript --out resnet_20.pt"
CHECKED = 64


@dataclass(frozen=True)
class Format:
    """A format: the end of its files' names, and what writes a network's file and returns the lines that load it."""

    suffix: str
    write: "Callable[[Trained, nn.Module, Path], Sequence[str]]"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser("bench.export", SUMMARY, EXAMPLE)
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's directory")
    parser.add_argument("--format", choices=FORMATS, default="torchscript", help="default: torchscript")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: export/ below the run, named by the model")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="weights of another moment of the same run")
    parser.add_argument("--data-root", type=Path, metavar="DIR", help="folder of data sets (default: the run's)")
    return parser


def main(words: Sequence[str]) -> int:
    """Write the file and print the lines that load it; raise BadInput for a run or a place that cannot be used."""
    options = build_parser().parse_args(words)
    # Imported here: --help needs no torch.
    from bench.engines.fast_import import import_composer

    import_composer()
    from bench.evaluate.trained import load_trained

    trained, chosen = load_trained(options.run, options.checkpoint, None, options.data_root), FORMATS[options.format]
    name = trained.spec.model.name.replace("/", "_")
    path = options.out or trained.record.path / "export" / f"{name}{chosen.suffix}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = chosen.write(trained, plain_network(trained), path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror or error}") from None
    print(path, "", *lines, sep="\n")
    return OK


def plain_network(trained: "Trained") -> "nn.Module":
    """Return the network in float32 on the CPU, of plain modules, in evaluation mode."""
    from bench.engines.evaluated import build_network, load_weights

    network = build_network(trained.spec, trained.dataset, "cpu")
    load_weights(network, trained.checkpoint.content)
    return network.get_submodule("module").float().eval()


def write_torchscript(trained: "Trained", network: "nn.Module", path: Path) -> list[str]:
    """Trace the network, check it on images and on another batch size than it was traced with, and write it."""
    import torch

    images = sample(trained)
    with torch.no_grad():
        traced = torch.jit.trace(network, images[:2])
        expected = network(images)
        if not torch.allclose(traced(images), expected, rtol=1e-3, atol=1e-4):
            raise BadInput(f"{trained.record.path}: its network depends on more than its images: it cannot be traced")
    torch.jit.save(traced, str(path))
    return ["import torch", f"network = torch.jit.load({str(path)!r}).eval()", *use(trained)]


def write_safetensors(trained: "Trained", network: "nn.Module", path: Path) -> list[str]:
    """Write the weights; the lines build the network by timm where timm has it."""
    import safetensors.torch

    from bench.engines.weights import network_weights

    weights = network_weights(trained.checkpoint.content)
    safetensors.torch.save_file(weights, path, {"format": "pt", "model": trained.spec.model.name})
    load = f"safetensors.torch.load_file({str(path)!r})"
    name = timm_name(trained, weights)
    if name is None:
        about = "# of the run's own network; timm has none that fits: --format torchscript writes the network too"
        return ["import safetensors.torch", f"weights = {load}  {about}"]
    return [
        "import timm, torch, safetensors.torch",
        f"network = timm.create_model({name!r}, num_classes={len(trained.dataset.classes)}).eval()",
        f"network.load_state_dict({load})",
        *use(trained),
    ]


def timm_name(trained: "Trained", weights: "dict[str, Tensor]") -> str | None:
    """Return timm's name of the network, None where timm's own has other weights (a changed stem) or no such name."""
    import timm
    import torch

    from bench.engines.snapshot import describe
    from bench.zoo.models import find_model

    name = find_model(trained.spec.model.name).options.get("timm_name")
    if not isinstance(name, str):
        return None
    with torch.device("meta"):
        theirs = timm.create_model(name, num_classes=len(trained.dataset.classes)).state_dict()
    return name if describe(theirs) == describe(weights) else None


def sample(trained: "Trained") -> "Tensor":
    """Return the first images of the split, normalised, on the CPU."""
    return trained.normalise(trained.dataset.evaluation.images[:CHECKED]).cpu().contiguous()


def use(trained: "Trained") -> list[str]:
    """Return the lines that classify images with the network."""
    _, height, width = trained.dataset.image
    return [
        f"mean, std = (torch.tensor(v).view(3, 1, 1) for v in ({trained.dataset.mean}, {trained.dataset.std}))",
        f"logits = network((images.permute(0, 3, 1, 2) / 255 - mean) / std)  # images: uint8 N×{height}×{width}×3, RGB",
    ]


FORMATS: dict[str, Format] = {
    "torchscript": Format(".pt", write_torchscript),
    "safetensors": Format(".safetensors", write_safetensors),
}


if __name__ == "__main__":
    sys.exit(run_command(main))
