"""The training loop that most repositories ship, as the baseline of `bench.speed step`."""

import time
from collections.abc import Iterator

import numpy as np
import psutil
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader

from bench.data.datasets import Dataset
from bench.spec import MuonSection, RunSpec, SGDSection
from bench.speed.augment import their_pipeline
from bench.speed.variants import Variant, fresh_network, timed

WORKERS, PREFETCH = 2, 2


class PilImages(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """The training split as most repositories load it: one PIL image at a time through torchvision's transforms."""

    def __init__(self, dataset: Dataset) -> None:
        self.split, self.pipeline = dataset.train, their_pipeline(dataset.train.images.shape[1])

    def __len__(self) -> int:
        """Return the number of training images."""
        return len(self.split)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Return an augmented image and its label."""
        return self.pipeline(Image.fromarray(self.split.images[index])), int(self.split.labels[index])


def endless(loader: DataLoader[tuple[Tensor, int]]) -> Iterator[list[Tensor]]:
    """Yield a loader's batches, epoch after epoch."""
    while True:
        yield from loader


def settle(seconds: float = 0.1) -> None:
    """Wait until this process's children are idle, so that their prefetching is not timed with another variant."""
    children = psutil.Process().children(recursive=True)
    used = -1.0
    while (now := sum(sum(child.cpu_times()[:2]) for child in children if child.is_running())) > used + 0.01:
        used = now
        time.sleep(seconds)


def baseline_optimizer(network: nn.Module, spec: RunSpec) -> torch.optim.Optimizer:
    """Return the spec's kind of optimizer as it is usually built, with torch's defaults."""
    section = spec.optimizer.rest if isinstance(spec.optimizer, MuonSection) else spec.optimizer
    if isinstance(section, SGDSection):
        return torch.optim.SGD(network.parameters(), section.lr, section.momentum, weight_decay=section.weight_decay)
    return torch.optim.AdamW(network.parameters(), section.lr, weight_decay=section.weight_decay)


def baseline_loss(network: nn.Module, images: Tensor, labels: Tensor, alpha: float | None, smoothing: float) -> Tensor:
    """Return the smoothed cross-entropy of a batch, with MixUp of strength `alpha` as in its authors' code."""
    if alpha is None:
        return F.cross_entropy(network(images), labels, label_smoothing=smoothing)
    share = float(np.random.beta(alpha, alpha))  # noqa: NPY002 - as such loops do; a generator a step would be slower
    partners = torch.randperm(len(images), device=images.device)
    logits = network(share * images + (1 - share) * images[partners])
    own, other = (F.cross_entropy(logits, these, label_smoothing=smoothing) for these in (labels, labels[partners]))
    return share * own + (1 - share) * other


def baseline_loop(spec: RunSpec, dataset: Dataset, device: torch.device) -> Variant:
    """Return the loop that most repositories ship, on the same network, batch size and recipe.

    float32 in NCHW, torchvision's transforms on PIL images in a DataLoader of 2 workers, `loss.item()` at every step.
    Of the recipe's algorithms it has label smoothing, MixUp and the clipping of the gradient's norm.
    The batches that its workers prefetched between turns are trained on untimed.
    """
    network = fresh_network(spec, dataset, device, channels_last=False)
    optimizer, chosen = baseline_optimizer(network, spec), spec.algorithms
    loader = DataLoader(PilImages(dataset), spec.batch_size, shuffle=True, num_workers=WORKERS, drop_last=True)
    batches = endless(loader)
    alpha = chosen.get("mixup", {}).get("alpha")
    smoothing = chosen.get("label_smoothing", {}).get("smoothing", 0.0)
    clip = chosen.get("gradient_clipping", {})
    losses: list[float] = []

    def step() -> None:
        """Train on the next batch of the loader."""
        images, labels = (part.to(device) for part in next(batches))
        optimizer.zero_grad()
        loss = baseline_loss(network, images, labels, alpha, smoothing)
        loss.backward()
        if clip.get("clipping_type") == "norm":
            nn.utils.clip_grad_norm_(network.parameters(), clip["clipping_threshold"])
        optimizer.step()
        losses.append(loss.item())

    variant = timed(step, device)

    def turn(steps: int) -> float:
        """Train on the prefetched batches untimed, time the steps, then wait for the workers."""
        variant(WORKERS * PREFETCH)
        seconds = variant(steps)
        settle()
        return seconds

    return turn
