"""What a training through the suite is measured against: the bare step, the loop most repositories ship, the peak."""

import time
from collections.abc import Callable, Iterator

import psutil
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader

from bench.data.datasets import Dataset
from bench.engines.compiling import autocast, trial_batch
from bench.engines.optim import build_optimizer
from bench.spec import RunSpec, SGDSection
from bench.speed.augment import their_pipeline
from bench.zoo.build import build_model

# Trains a number of steps and returns the seconds that they took.
Side = Callable[[int], float]
WORKERS, PREFETCH = 2, 2
PEAK_SIZE = 2048


def wait_for(device: torch.device) -> Callable[[], None]:
    """Return what waits until a device has done its work; a CPU has at once."""
    return torch.cuda.synchronize if device.type == "cuda" else lambda: None


def timed(step: Callable[[], object], device: torch.device) -> Side:
    """Return a side that repeats a step."""
    wait = wait_for(device)

    def side(steps: int) -> float:
        wait()
        began = time.perf_counter()
        for _ in range(steps):
            step()
        wait()
        return time.perf_counter() - began

    return side


def fresh_network(spec: RunSpec, classes: int, device: torch.device, *, channels_last: bool) -> nn.Module:
    """Return the spec's network in training mode on a device, in a memory format."""
    network = build_model(spec.model.name, classes, stem=spec.model.stem, options=spec.model.options).to(device).train()
    return network.to(memory_format=torch.channels_last) if channels_last else network  # type: ignore[call-overload]


def ceiling(spec: RunSpec, dataset: Dataset, device: torch.device, *, compiled: bool) -> Side:
    """Return the least a step can cost: forward, loss, backward and update on one batch that is in memory already."""
    channels_last = "channels_last" in spec.algorithms
    network = fresh_network(spec, len(dataset.classes), device, channels_last=channels_last)
    if compiled:
        network.compile()
    optimizer = build_optimizer(network, spec.optimizer, fused=True)
    _, height, width, channels = dataset.train.images.shape
    images = trial_batch((channels, height, width), spec.batch_size, device, channels_last).normal_()
    labels = torch.arange(spec.batch_size, device=device) % len(dataset.classes)

    def step() -> None:
        with autocast(device.type, spec.precision):
            logits = network(images)
        optimizer.zero_grad()
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    return timed(step, device)


class PilImages(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """A data set as most repositories have it: one PIL image at a time through torchvision's transforms."""

    def __init__(self, dataset: Dataset) -> None:
        """Take the training split, and the deck's pipeline."""
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
    """Wait until this process's children have nothing to do, so that what they prefetch falls on nobody's time."""
    children = psutil.Process().children(recursive=True)
    used = -1.0
    while (now := sum(sum(child.cpu_times()[:2]) for child in children if child.is_running())) > used + 0.01:
        used = now
        time.sleep(seconds)


def common_loop(spec: RunSpec, dataset: Dataset, device: torch.device) -> Side:
    """Return the loop that most repositories ship, on the same network and batch size.

    float32 in NCHW, torchvision's transforms on PIL images in a DataLoader of 2 workers, `loss.item()` at every step.
    The batches that its workers have made between its turns are trained on untimed.
    """
    network = fresh_network(spec, len(dataset.classes), device, channels_last=False)
    optimizer = common_optimizer(network, spec)
    loader = DataLoader(PilImages(dataset), spec.batch_size, shuffle=True, num_workers=WORKERS, drop_last=True)
    batches = endless(loader)
    losses: list[float] = []

    def step() -> None:
        images, labels = (part.to(device) for part in next(batches))
        optimizer.zero_grad()
        loss = F.cross_entropy(network(images), labels, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    side = timed(step, device)

    def turn(steps: int) -> float:
        side(WORKERS * PREFETCH)
        seconds = side(steps)
        settle()
        return seconds

    return turn


def common_optimizer(network: nn.Module, spec: RunSpec) -> torch.optim.Optimizer:
    """Return the spec's kind of optimizer as it is usually made, with torch's defaults."""
    section = spec.optimizer
    if isinstance(section, SGDSection):
        return torch.optim.SGD(network.parameters(), section.lr, section.momentum, weight_decay=section.weight_decay)
    return torch.optim.AdamW(network.parameters(), section.lr, weight_decay=section.weight_decay)


def peak(precision: str, device: torch.device) -> Side:
    """Return a side that multiplies two square matrices in a precision, one product a step."""
    dtype = {"amp_bf16": torch.bfloat16, "amp_fp16": torch.float16}.get(precision, torch.float32)
    one, two = (torch.randn(PEAK_SIZE, PEAK_SIZE, device=device).to(dtype) for _ in range(2))
    return timed(lambda: one @ two, device)


def gflops_of_peak(seconds: float, steps: int) -> float:
    """Return GFLOP/s of so many matrix products."""
    return 2 * PEAK_SIZE**3 * steps / seconds / 1e9
