"""timm: a folder with the weights as safetensors and the config by which `timm.create_model` builds the network."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import timm
from safetensors.torch import save_file
from torch import nn

from bench.engines.snapshot import describe
from bench.evaluate.trained import Trained
from bench.export.network import alike, logits_of, sample, use
from bench.export.registry import Written, others
from bench.util.errors import BadInput
from bench.zoo.models import find_model
from bench.zoo.timm_models import has_fixed_size

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def write(trained: Trained, network: nn.Module, path: Path) -> Written:
    """Write the folder, and check what timm builds of it; raise BadInput for a network that is none of timm's."""
    name = timm_name(trained, network)
    if name is None:
        raise BadInput(
            f"{trained.record.path}: {trained.spec.model.name} as it was trained is none of timm's networks, "
            f"which --format timm is for; allowed formats are {others('timm')}"
        )
    images = sample(trained)
    with TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder)
        save_file(network.state_dict(), made / WEIGHTS, {"format": "pt"})
        (made / CONFIG).write_text(json.dumps(config_of(trained, name), indent=1) + "\n", encoding="utf-8")
        theirs = timm.create_model(f"local-dir:{made}", pretrained=True).eval()
        if not alike(logits_of(theirs, images), logits_of(network, images)):
            raise BadInput(f"{trained.record.path}: timm {timm.__version__} makes another network of it")
        path.mkdir(exist_ok=True)
        for part in (WEIGHTS, CONFIG):
            (made / part).replace(path / part)
    build = f"network = timm.create_model({f'local-dir:{path}'!r}, pretrained=True).eval()"
    return Written(["import timm, torch", build, *use(trained)])


def config_of(trained: Trained, name: str) -> dict[str, Any]:
    """Return the config of a folder as timm reads it: architecture, classes, size and normalisation of the images."""
    classes = len(trained.dataset.classes)
    # Where timm puts a head of another number of classes, and a stem of another number of channels.
    layers = {key: timm.models.get_pretrained_cfg_value(name, key) for key in ("classifier", "first_conv")}
    return {
        "architecture": name,
        "num_classes": classes,
        "label_names": list(trained.dataset.classes),
        "model_args": size_options(trained, name),
        "pretrained_cfg": {
            "num_classes": classes,
            "input_size": list(trained.dataset.image),
            "fixed_input_size": has_fixed_size(name),
            "mean": list(trained.dataset.mean),
            "std": list(trained.dataset.std),
            "crop_pct": 1.0,
            "custom_load": False,
            **{key: value for key, value in layers.items() if value},
        },
    }


def size_options(trained: Trained, name: str) -> dict[str, Any]:
    """Return the option by which timm builds a network for one size of images, where this one is of that kind."""
    return {"img_size": list(trained.dataset.image[1:])} if has_fixed_size(name) else {}


def timm_name(trained: Trained, network: nn.Module) -> str | None:
    """Return timm's name of a network; None where timm has none that computes the same, as of a changed stem."""
    name = find_model(trained.spec.model.name).options.get("timm_name")
    if not isinstance(name, str):
        return None
    try:
        theirs = timm.create_model(name, num_classes=len(trained.dataset.classes), **size_options(trained, name)).eval()
    except (AssertionError, ValueError, RuntimeError):  # images of this size are none for timm's own stem
        return None
    if describe(theirs.state_dict()) != describe(network.state_dict()):
        return None
    theirs.load_state_dict(network.state_dict())
    images = sample(trained)
    try:
        found = logits_of(theirs, images)
    except RuntimeError:  # as above, of a network that takes any size until it runs out of pixels
        return None
    return name if alike(found, logits_of(network, images)) else None
