"""The variants that the suite's training step is compared with: the bare step, and the machine's peak."""

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from algorithms.channels_last_gradients import keep_gradients_channels_last
from algorithms.convolution_products import use_products
from algorithms.cpu_autocast import keep_float32, slow_kinds
from algorithms.small_maps import find_cases
from bench.data.datasets import Dataset
from bench.engines.compiling import compile_network, trial_batch
from bench.engines.kernels import chooses_kernels, small_maps
from bench.engines.machine import find_machine
from bench.engines.optim import build_optimizer, product_dtype
from bench.engines.precision import BF16, autocast, dtype_of, find_row
from bench.spec import RunSpec
from bench.zoo.build import build_declared

# Runs a number of steps and returns the seconds they took.
Variant = Callable[[int], float]
PEAK_SIZE = 2048
# Steps to discard at the start of every turn: the caches are still as another variant left them.
REWARM_STEPS = 1


class DoesNotCompile(Exception):
    """Raised when a network cannot be compiled: it would train eagerly."""


def wait_for(device: torch.device) -> Callable[[], None]:
    """Return a function that waits until a device has finished its work; a CPU always has."""
    return torch.cuda.synchronize if device.type == "cuda" else lambda: None


def timed(step: Callable[[], object], device: torch.device) -> Variant:
    """Return a variant that repeats a step, after discarded warm-up steps."""
    wait = wait_for(device)

    def variant(steps: int) -> float:
        """Run a number of steps and return their seconds."""
        for _ in range(REWARM_STEPS):
            step()
        wait()
        began = time.perf_counter()
        for _ in range(steps):
            step()
        wait()
        return time.perf_counter() - began

    return variant


def fresh_network(spec: RunSpec, dataset: Dataset, device: torch.device, *, channels_last: bool) -> nn.Module:
    """Return the spec's network for a data set in training mode on a device, in a memory format."""
    network = build_declared(spec.model, dataset).to(device).train()
    return network.to(memory_format=torch.channels_last) if channels_last else network  # type: ignore[call-overload]


def use_kernels(network: nn.Module, spec: RunSpec, dataset: Dataset, precision: str) -> None:
    """Let a network compute with the kernels that a run of the spec on one process of this CPU computes with."""
    machine = find_machine(spec, precision)
    if chooses_kernels(spec, machine):
        algorithm = small_maps(spec, dataset.image, machine, print)
        cases = find_cases(network, [torch.zeros(2, *shape) for shape in algorithm.images])
        use_products(network, algorithm.choose(cases))
        keep_gradients_channels_last(network)
    if machine.device == "cpu" and precision == BF16:
        keep_float32(network, slow_kinds(find_row("cpu").name))


def ceiling(
    spec: RunSpec, dataset: Dataset, device: torch.device, precision: str, *, compiled: bool, plain: bool = False
) -> Variant:
    """Return the lower bound of a step: forward, loss, backward and update on one batch already in memory.

    With `plain`, torch's own modules compute every layer, and Muon in float32, not as a run chooses. Raises
    DoesNotCompile, after printing why, for a network that should be compiled but cannot be.
    """
    channels_last = "channels_last" in spec.algorithms
    network = fresh_network(spec, dataset, device, channels_last=channels_last)
    if not plain:
        use_kernels(network, spec, dataset, precision)
    images = trial_batch(dataset.image, spec.batch_size, device, channels_last).normal_()
    if compiled and not compile_network(network, images, precision, print):
        raise DoesNotCompile(spec.model.name)
    dtype = torch.float32 if plain else product_dtype("cpu" if device.type == "cpu" else "gpu", precision)
    optimizer = build_optimizer(network, spec.optimizer, dtype=dtype)
    labels = torch.arange(spec.batch_size, device=device) % len(dataset.classes)

    def step() -> None:
        """Train once on the batch in memory."""
        with autocast(device.type, precision):
            logits = network(images)
        optimizer.zero_grad()
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    return timed(step, device)


def peak(precision: str, device: torch.device) -> Variant:
    """Return a variant that multiplies two square matrices in a precision, one product a step."""
    dtype = dtype_of(precision)
    one, two = (torch.randn(PEAK_SIZE, PEAK_SIZE, device=device).to(dtype) for _ in range(2))
    return timed(lambda: one @ two, device)


def gflops_of_peak(seconds: float, steps: int) -> float:
    """Return GFLOP/s of so many matrix products."""
    return 2 * PEAK_SIZE**3 * steps / seconds / 1e9
