"""The network that a run learns from by distillation: checked before the run, then loaded as it was evaluated."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.data.datasets import Dataset
from bench.engines.classifier import Classifier
from bench.engines.evaluated import build_network, classify
from bench.engines.machine import Machine
from bench.engines.model_check import check_smaller
from bench.engines.snapshot import describe
from bench.engines.starting import read_tensors
from bench.pretrained import WeightsFile, find_trained_run, read_declared
from bench.records import RunRecord, spec_of
from bench.spec import RunSpec
from bench.util.errors import BadInput

KEY = "algorithms.distillation.teacher"


@dataclass(frozen=True)
class Teacher:
    """A trained network that classifies and never learns."""

    network: Classifier
    precision: str

    def __call__(self, images: Tensor) -> Tensor:
        """Return the float32 logits, N×classes, of normalised N×3×H×W images, in the run's precision."""
        return classify(self.network, images, self.precision)


def check_teacher(spec: RunSpec, dataset: Dataset) -> None:
    """Refuse a teacher of other images or classes than the run's, or whose weights or image sizes do not fit."""
    path, record = find_teacher(spec)
    check_images(spec, dataset, record, path)
    network = load_network(spec, dataset, "cpu")
    check_smaller(spec, network.get_submodule("module"), dataset.image, record.model)


def find_teacher(spec: RunSpec) -> tuple[Path, RunRecord]:
    """Return the folder and the record of a resolved spec's teacher."""
    path = Path(spec.algorithms["distillation"]["teacher"]["path"]).expanduser()
    try:
        return path, find_trained_run(path)
    except BadInput as error:
        raise BadInput(f"key '{KEY}': {error}") from None


def check_images(spec: RunSpec, dataset: Dataset, record: RunRecord, path: Path) -> None:
    """Refuse a teacher that was trained on other images or classes, or on what the run holds out."""
    data: Mapping[str, Any] = (record.result or {}).get("data") or {}
    words = f"key '{KEY}': {path}"
    if data.get("name") != dataset.name:
        raise BadInput(f"{words} was trained on {data.get('name')}, the run trains on {dataset.name}")
    if data.get("classes") != len(dataset.classes):
        raise BadInput(f"{words} tells {data.get('classes')} classes apart, {dataset.name} has {len(dataset.classes)}")
    if spec.data.split == "tuning" and data.get("split") != "tuning":
        raise BadInput(
            f"{words} was trained on the images that data.split=tuning holds out: the student would be evaluated on "
            "what its teacher has seen; train the teacher with data.split=tuning too"
        )


def load_network(spec: RunSpec, dataset: Dataset, device: str) -> Classifier:
    """Return the teacher of a resolved spec on a device ("cpu" or "gpu"), in evaluation mode, without gradients.

    torch's generators are as before.
    """
    _, record = find_teacher(spec)
    try:
        file = read_declared(spec.algorithms["distillation"]["teacher"])
    except BadInput as error:
        raise BadInput(f"key '{KEY}': {error}") from None
    theirs = spec_of(record)
    devices = [torch.cuda.current_device()] if device == "gpu" else []
    with torch.random.fork_rng(devices):
        network = build_network(theirs, dataset, device)
    give_weights(network, file)
    if "channels_last" in spec.algorithms:
        network.to(memory_format=torch.channels_last)
    return network.requires_grad_(False).eval()


def give_weights(network: Classifier, file: WeightsFile) -> None:
    """Give a network the weights of a run's file; raise BadInput unless they are exactly its own."""
    module, weights = network.get_submodule("module"), read_tensors(file)
    if describe(weights) != describe(module.state_dict()):
        raise BadInput(f"{file.path}: its weights do not fit the network that the run beside it records")
    module.load_state_dict(weights)


def load_teacher(spec: RunSpec, dataset: Dataset, machine: Machine) -> Teacher | None:
    """Return the teacher that a spec names, on the machine's device; None where it names none."""
    if "distillation" not in spec.algorithms:
        return None
    return Teacher(load_network(spec, dataset, machine.device), machine.precision)
