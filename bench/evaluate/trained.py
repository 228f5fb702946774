"""A run's network, ready to classify, and what it makes of every image of a split."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.data.augmentation.augment import eval_batch
from bench.data.datasets import Dataset
from bench.data.layout import Images
from bench.data.loader import EvalLoader, Shard, layout
from bench.engines.checkpoints import Damaged
from bench.engines.compiling import compile_network, trial_batch
from bench.engines.evaluated import build_network, classify, keep_as_trained, load_weights
from bench.engines.metrics import Totals, measure_evaluation
from bench.engines.precision import FP32, can_compute
from bench.environment import usable_cores
from bench.evaluate.find import Found, find_checkpoint, find_images
from bench.evaluate.subset import take
from bench.records import RunRecord, find_run, spec_of
from bench.spec import RunSpec
from bench.util.errors import BadInput

# What images that no run evaluated are classified in: the same for every run, so that results compare to the digit.
BATCH = 500


@dataclass(frozen=True)
class Trained:
    """A run's network with the weights of a checkpoint; the evaluation split of `dataset` is what it classifies.

    `root` is the folder of data sets, None the default one.
    """

    record: RunRecord
    spec: RunSpec
    dataset: Dataset
    split: str
    checkpoint: Found
    network: nn.Module
    device: torch.device
    precision: str
    root: Path | None = None

    def take(self, rows: Tensor) -> "Trained":
        """Return the network with some of its images; all as they are where all are taken."""
        if len(rows) == len(self.dataset.evaluation):
            return self
        return replace(self, dataset=replace(self.dataset, evaluation=take(self.dataset.evaluation, rows)))

    def normalise(self, images: Images) -> Tensor:
        """Return uint8 N×H×W×3 images as the network takes them: normalised N×3×H×W on its device."""
        there = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
        batch = eval_batch(there, mean=self.dataset.mean, std=self.dataset.std)
        return layout(batch, "channels_last" in self.spec.algorithms)

    def classify_all(self, images: Images) -> Tensor:
        """Return the float32 logits, N×classes on the CPU, of uint8 N×H×W×3 images, by batches of BATCH."""
        parts = range(0, len(images), BATCH)
        return torch.cat([self.classify(self.normalise(images[first : first + BATCH])).cpu() for first in parts])

    def classify(self, images: Tensor) -> Tensor:
        """Return the float32 logits, N×classes, of normalised N×3×H×W images on the network's device."""
        return classify(self.network, images, self.precision)


@dataclass(frozen=True)
class Predictions:
    """The float32 logits (N×classes) and labels (N) of all images in their order, on the CPU, and their summary."""

    logits: Tensor
    labels: Tensor
    accuracy: Mapping[str, Any]

    def take(self, rows: Tensor) -> "Predictions":
        """Return those of some rows; the summary stays that of all images."""
        return replace(self, logits=self.logits[rows], labels=self.labels[rows])


def load_trained(
    path: Path, checkpoint: Path | None = None, split: str | None = None, data_root: Path | None = None
) -> Trained:
    """Return the network of the run at `path`, by default with its final weights and the split that it evaluates.

    Device, precision and threads are those of the run where this machine has them. Raises BadInput for what is no run,
    an unfinished run without a `checkpoint`, a checkpoint that is missing, damaged or another run's, and other data.
    """
    record = find_run(path)
    spec = spec_of(record)
    found = find_checkpoint(record, spec, checkpoint)
    root = data_root or (Path(spec.data.root) if spec.data.root else None)
    dataset = find_images(record, spec, split, root)
    machine = machine_of(record)
    device = "gpu" if spec.device != "cpu" and torch.cuda.is_available() else "cpu"
    torch.set_num_threads(int(machine.get("threads") or spec.threads or usable_cores()))
    precision = record.precision if can_compute(record.precision, device) else FP32
    network = build_network(spec, dataset, device)
    try:
        load_weights(network, found.content)
        if device == "cpu":
            keep_as_trained(network, found.content, precision)
    except Damaged as reason:
        raise BadInput(f"{found.path}: {reason}, for the {len(dataset.classes)} classes of {dataset.name}") from None
    place = torch.device("cuda" if device == "gpu" else "cpu")
    trained = Trained(record, spec, dataset, split or dataset.split_name, found, network, place, precision, root)
    if machine.get("compiled"):
        compile_again(trained)
    return trained


def machine_of(record: RunRecord) -> Mapping[str, Any]:
    """Return what a record tells of the machine that trained the run; nothing where it has no result."""
    return (record.result or {}).get("machine") or {}


def compile_again(trained: Trained) -> None:
    """Compile the network, as it was for the run; it stays as it is where that fails."""
    _, height, width, channels = trained.dataset.train.images.shape
    layout = "channels_last" in trained.spec.algorithms
    images = trial_batch((channels, height, width), trained.spec.eval_batch_size, trained.device, layout)
    compile_network(trained.network.get_submodule("module"), images, trained.precision, print)


def predict(trained: Trained) -> Predictions:
    """Classify every image once, in the batches in which the run's processes did, so that no digit differs."""
    labels = torch.from_numpy(trained.dataset.evaluation.labels.copy())
    logits = torch.empty(len(labels), len(trained.dataset.classes))
    world_size = int(machine_of(trained.record).get("world_size") or 1)
    total = Totals()
    for rank in range(world_size):
        total += classify_shard(trained, Shard(rank, world_size), logits)
    return Predictions(logits, labels, {**total.values(), "samples": total.images})


def classify_shard(trained: Trained, shard: Shard, logits: Tensor) -> Totals:
    """Fill in the logits of one process's images, and return the totals that the recorder would make of them."""
    loader = EvalLoader(
        trained.dataset,
        batch_size=trained.spec.eval_batch_size,
        device=trained.device,
        shard=shard,
        channels_last="channels_last" in trained.spec.algorithms,
    )
    total = Totals()
    for part, (images, labels) in zip(loader.parts, loader, strict=True):
        outputs = trained.classify(images)
        logits[part] = outputs.cpu()
        total += measure_evaluation(outputs, labels)
    return total
