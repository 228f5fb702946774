"""Compile a run's network where the spec asks for it and it works; a network that fails to compile trains eagerly.

Whether it works is tried on one batch before training, forward and backward in training and forward in evaluation.
Seen with torch 2.7 on a CPU: BatchNorm's reduction kernel fails with more than one thread, ConvNeXt's LayerNorm in the
backward pass. With one thread ResNet-20 gains 12 % in bfloat16 channels-last and nothing in float32, MLP-Mixer nothing
(*Compiled* in `reports/speed.md`). So `compile` is off by default.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bench.engines.precision import autocast


def trial_batch(shape: tuple[int, int, int], samples: int, device: torch.device, channels_last: bool) -> Tensor:
    """Return a batch of zeros as training would feed it: float32, samples×channels×height×width."""
    images = torch.zeros((samples, *shape), device=device)
    return images.to(memory_format=torch.channels_last) if channels_last else images


def try_step(network: nn.Module, images: Tensor, precision: str) -> None:
    """Train on one batch and evaluate on it, and leave weights, statistics, gradients and generators as they were."""
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    mode, devices = network.training, [images.device] if images.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices):
            with autocast(images.device.type, precision):
                outputs = network.train()(images)
            outputs.float().square().mean().backward()
            with torch.no_grad(), autocast(images.device.type, precision):
                network.eval()(images)
    finally:
        network.zero_grad(set_to_none=True)
        network.load_state_dict(kept)
        network.train(mode)


def compile_network(network: nn.Module, images: Tensor, precision: str, report: Callable[[str], None]) -> bool:
    """Compile a network in place and return whether it is compiled; say why where it fails, and leave it eager."""
    network.compile()
    try:
        try_step(network, images, precision)
    except Exception as error:  # whatever the compiler or the C++ compiler behind it raises
        network._compiled_call_impl = None
        torch._dynamo.reset()
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        report(f"torch.compile fails on this network ({reason.strip()[:200]}); training without it")
        return False
    return True
