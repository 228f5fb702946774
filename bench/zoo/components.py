"""Describe what a network is made of, read off the built module: block, bottleneck, kernels, norm, activation, stem.

    python -m bench.zoo.components             compare with bench/zoo/components.json
    python -m bench.zoo.components --update    write it

The table "components" shows the JSON file, since tables do not import torch; a test compares the file with the modules.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench.util.cli import FAILED, OK, make_parser, run_command
from bench.util.files import write_atomically
from bench.zoo.build import build_model
from bench.zoo.counting.reference import IMAGE, NUM_CLASSES

PATH = Path(__file__).with_suffix(".json")
# The networks that the table puts side by side.
COMPARED = ("convnext_tiny", "improved_resnet20_convnext")
EXAMPLE = "python -m bench.zoo.components --update"
WEIGHTED = (nn.Conv2d, nn.Conv1d, nn.Linear)
PLAIN_NAMES = {"BatchNorm2d": "BatchNorm", "LayerNorm2d": "LayerNorm", "GELUTanh": "GELU"}
Facts = dict[str, str]


def leaves(module: nn.Module) -> list[nn.Module]:
    """Return the modules without children below a module."""
    return [inner for inner in module.modules() if not list(inner.children())]


def run_order(model: nn.Module, modules: Sequence[nn.Module]) -> list[nn.Module]:
    """Return some modules in the order in which a forward pass calls them."""
    called: list[nn.Module] = []
    hooks = [module.register_forward_hook(lambda inner, _inputs, _output: called.append(inner)) for module in modules]
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, *IMAGE))
    finally:
        for hook in hooks:
            hook.remove()
    return called


def find_blocks(model: nn.Module) -> list[nn.Module]:
    """Return the repeated block: of the classes with two weighted layers inside, the most frequent, largest one."""
    found: dict[type, list[nn.Module]] = defaultdict(list)
    for module in model.modules():
        own_class = not type(module).__module__.startswith("torch.nn")
        if own_class and sum(isinstance(leaf, WEIGHTED) for leaf in leaves(module)) >= 2:
            found[type(module)].append(module)
    return max(found.values(), key=lambda modules: (len(modules), sum(map(count, modules))))


def count(module: nn.Module) -> int:
    """Return how many parameters a module has."""
    return sum(parameter.numel() for parameter in module.parameters())


def plain_name(module: nn.Module) -> str:
    """Return the name of a module's class as the field writes it."""
    return PLAIN_NAMES.get(type(module).__name__, type(module).__name__)


def describe_layer(layer: nn.Module) -> str:
    """Return one layer in words; an empty string for one that does nothing."""
    if isinstance(layer, nn.Linear):
        return f"linear {layer.in_features}→{layer.out_features}"
    if isinstance(layer, nn.Conv2d):
        depthwise = "depthwise " if layer.groups == layer.in_channels > 1 else ""
        stride = f" stride {layer.stride[0]}" if layer.stride[0] > 1 else ""
        height, width = layer.kernel_size
        return f"{height}×{width} {depthwise}conv {layer.in_channels}→{layer.out_channels}{stride}"
    rate = getattr(layer, "p", getattr(layer, "drop_prob", None))
    does_nothing = isinstance(layer, nn.Identity) or rate == 0
    return "" if does_nothing else plain_name(layer)


def describe_layers(layers: Sequence[nn.Module]) -> str:
    """Return layers in words, in order."""
    return ", ".join(text for text in map(describe_layer, layers) if text)


def describe_bottleneck(layers: Sequence[nn.Module]) -> str:
    """Return how wide a block is inside, compared with its input."""
    weighted = [layer for layer in layers if isinstance(layer, nn.Conv2d | nn.Linear)]
    w_in, widest = in_width(weighted[0]), max(out_width(layer) for layer in weighted)
    narrowest = min(out_width(layer) for layer in weighted)
    if widest > w_in:
        return f"inverted, ×{widest / w_in:g} ({w_in}→{widest}→{out_width(weighted[-1])})"
    return f"narrowing, ÷{w_in / narrowest:g}" if narrowest < w_in else "none"


def in_width(layer: nn.Conv2d | nn.Linear) -> int:
    """Return how many channels a layer reads."""
    return layer.in_channels if isinstance(layer, nn.Conv2d) else layer.in_features


def out_width(layer: nn.Conv2d | nn.Linear) -> int:
    """Return how many channels a layer writes."""
    return layer.out_channels if isinstance(layer, nn.Conv2d) else layer.out_features


def describe_kinds(layers: Sequence[nn.Module], word: str) -> str:
    """Return which kinds of a layer ("Norm", or an activation's module) a block has, and how many of each."""
    kinds = Counter(plain_name(layer) for layer in layers if word in type(layer).__name__ + type(layer).__module__)
    return ", ".join(f"{number} × {name}" for name, number in kinds.items()) or "none"


def describe_regularisation(model: nn.Module, block: nn.Module) -> str:
    """Return what regularises the network from within: DropPath, dropout, layer scale."""
    rates = {"DropPath": 0.0, "Dropout": 0.0}
    for module in model.modules():
        for kind in rates:
            if type(module).__name__.startswith(kind):
                rates[kind] = max(rates[kind], float(getattr(module, "drop_prob", getattr(module, "p", 0.0)) or 0.0))
    words = [f"{kind} up to {rate:g}" for kind, rate in rates.items() if rate]
    scales = [name for name, parameter in block.named_parameters(recurse=False) if parameter.ndim == 1]
    return ", ".join([*words, *(["layer scale"] if scales else [])]) or "none in the network"


def describe_kernels(layers: Sequence[nn.Module]) -> str:
    """Return the convolutions of a block that look at more than one pixel."""
    spatial = [layer for layer in layers if isinstance(layer, nn.Conv2d) and max(layer.kernel_size) > 1]
    words = [
        f"{layer.kernel_size[0]}×{layer.kernel_size[1]}{' depthwise' if layer.groups == layer.in_channels else ''}"
        for layer in spatial
    ]
    return ", ".join(dict.fromkeys(words)) or "none"


def describe(name: str) -> Facts:
    """Return what a model of the zoo is made of, in words; its second block stands for all."""
    model = build_model(name, NUM_CLASSES)
    blocks = find_blocks(model)
    block = blocks[min(1, len(blocks) - 1)]
    inside = {leaf for each in blocks for leaf in leaves(each)}
    layers = run_order(model, leaves(block))
    stem = stem_layers(run_order(model, leaves(model)), inside)
    return {
        "block": describe_layers(layers),
        "blocks": f"{len(blocks)} × {type(block).__name__}",
        "bottleneck": describe_bottleneck(layers),
        "kernels": describe_kernels(layers),
        "normalisation": describe_kinds(layers, "Norm"),
        "activation": describe_kinds(layers, "activation"),
        "regularisation": describe_regularisation(model, block),
        "stem": describe_layers(stem),
    }


def stem_layers(order: Sequence[nn.Module], inside: set[nn.Module]) -> list[nn.Module]:
    """Return the layers called before the first block."""
    first = next(index for index, layer in enumerate(order) if layer in inside)
    return list(order[:first])


def read(path: Path = PATH) -> dict[str, Any]:
    """Return the committed facts; nothing when there are none yet."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def main(arguments: Sequence[str]) -> int:
    """Compare the built networks with the committed facts, or write those with --update."""
    parser = make_parser("bench.zoo.components", "Describe what networks are made of.", EXAMPLE)
    parser.add_argument("--update", action="store_true", help=f"write {PATH.name}")
    chosen = parser.parse_args(arguments)
    facts = {name: describe(name) for name in COMPARED}
    if chosen.update:
        write_atomically(PATH, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        print(PATH)
        return OK
    print(json.dumps(facts, indent=1, ensure_ascii=False))
    same = facts == read()
    print("as committed" if same else f"{PATH.name} differs; run with --update", file=sys.stderr)
    return OK if same else FAILED


if __name__ == "__main__":
    sys.exit(run_command(main))
