"""Building a model and measuring it: its figures for the golden file, and the time of a training step's passes."""

import statistics
import time

import torch
from torch import nn

from bench.zoo.build import build_model
from bench.zoo.counting.cost import count_cost
from bench.zoo.counting.fingerprint import fingerprint
from bench.zoo.counting.golden import Golden
from bench.zoo.counting.reference import IMAGE, NUM_CLASSES


def count_model(name: str, stem: str | None = None) -> tuple[Golden, tuple[str, ...]]:
    """Return a model's figures for the reference image and classes, and the operations that no counter gave a cost.

    Raises BadInput for an unknown name or stem, CountError when the counters disagree.
    """
    model = build_model(name, NUM_CLASSES, stem=stem)
    cost = count_cost(model)
    figures = Golden(cost.params, cost.macs, cost.ptflops_macs, cost.activations, fingerprint(model))
    return figures, tuple(missed.operation for missed in cost.uncounted)


def _synchronise(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def forward_backward_ms(model: nn.Module, batch: int = 128, repeats: int = 3, device: str = "cpu") -> float:
    """Return the median milliseconds of a float32 forward and backward pass in train mode, after a warm-up."""
    model = model.to(device).train()
    images = torch.randn(batch, *IMAGE, device=device)
    labels = torch.randint(NUM_CLASSES, (batch,), device=device)
    times = []
    for _ in range(1 + repeats):
        _synchronise(device)
        start = time.perf_counter()
        nn.functional.cross_entropy(model(images), labels).backward()
        _synchronise(device)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def describe_device(device: str) -> str:
    """Return where times were measured: the GPU's name, or the CPU with the number of threads."""
    return torch.cuda.get_device_name() if device == "cuda" else f"CPU, threads: {torch.get_num_threads()}"
