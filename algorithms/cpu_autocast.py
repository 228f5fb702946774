"""Compute the forward pass in bfloat16 on a CPU, where Composer refuses mixed precision."""

import statistics
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from composer.core import Algorithm, Event, State
from composer.loggers import Logger
from composer.utils import dist
from torch import Tensor, nn

ENTER = (Event.BEFORE_FORWARD, Event.EVAL_BEFORE_FORWARD)
LEAVE = (Event.AFTER_FORWARD, Event.EVAL_AFTER_FORWARD)
# The kinds of depthwise convolution, each of which a CPU may compute faster in float32 than in bfloat16.
STRIDED, LARGE_KERNEL, PLAIN = "stride above 1", "kernel above 3×3", "other"
# Vector extension → the kinds that are slow there in bfloat16, as `bench.speed depthwise` found with torch 2.7 on an
# AMD Zen 5 (`reports/speed.md`), and on the same limited to AVX2, where bfloat16 is emulated and all of it is slow.
SLOW = {
    "AVX512-BF16": frozenset({STRIDED, LARGE_KERNEL}),
    "AVX2": frozenset({STRIDED, LARGE_KERNEL, PLAIN}),
}
# Kind → channels, size of the map, kernel and stride of the convolution that is measured for it on other CPUs.
PROBES = {STRIDED: (64, 16, 3, 2), LARGE_KERNEL: (64, 16, 7, 1), PLAIN: (64, 16, 3, 1)}
PROBE_BATCH, PROBE_ROUNDS = 8, 7
# How many times as long bfloat16 must take, so that noise does not decide.
MARGIN = 1.1


def to_float32(outputs: Any) -> Any:
    """Return logits in float32: the CPU's log-softmax would otherwise stay in bfloat16 and lose the third digit."""
    return outputs.float() if isinstance(outputs, torch.Tensor) else outputs


class Float32Conv2d(nn.Conv2d):
    """A convolution that is computed in float32 also under autocast."""

    def forward(self, images: Tensor) -> Tensor:
        """Return the convolution of B×C×H×W images, in float32."""
        with torch.autocast("cpu", enabled=False):
            return super().forward(images.float())


def kind_of(module: nn.Module) -> str | None:
    """Return the kind of a depthwise convolution; None for every other module."""
    if not isinstance(module, nn.Conv2d) or module.groups == 1 or module.groups != module.in_channels:
        return None
    if max(module.stride) > 1:
        return STRIDED
    return LARGE_KERNEL if max(module.kernel_size) > 3 else PLAIN


def seconds_of(images: Tensor, weight: Tensor, stride: int) -> float:
    """Return the processor seconds of this thread for a depthwise convolution, forward and backward."""
    began = time.thread_time()
    maps = nn.functional.conv2d(images, weight, None, stride, weight.shape[-1] // 2, 1, len(weight))
    torch.autograd.grad(maps, (images, weight), torch.ones_like(maps))
    return time.thread_time() - began


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on this thread alone, whose processor time does not depend on what else the machine does."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def bfloat16_over_float32(kind: str) -> float:
    """Return how many times as long this machine takes for a kind of convolution in bfloat16: a median over rounds."""
    channels, size, kernel, stride = PROBES[kind]
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(PROBE_BATCH, channels, size, size, generator=generator)
    images = images.to(memory_format=torch.channels_last)
    weight = torch.randn(channels, 1, kernel, kernel, generator=generator)
    pairs = [
        [part.to(dtype).requires_grad_() for part in (images, weight)] for dtype in (torch.bfloat16, torch.float32)
    ]
    with one_thread():
        rounds = [[seconds_of(maps, weights, stride) for maps, weights in pairs] for _ in range(PROBE_ROUNDS + 1)]
    return statistics.median(bfloat16 / float32 for bfloat16, float32 in rounds[1:])


def slow_kinds(extension: str) -> frozenset[str]:
    """Return the kinds that a CPU with a vector extension computes faster in float32; every rank must call it.

    Where `SLOW` does not know, rank 0 measures for all, in about 0.2 s where bfloat16 is native.
    """
    if extension in SLOW:
        return SLOW[extension]
    found = [kind for kind in PROBES if bfloat16_over_float32(kind) > MARGIN] if dist.get_global_rank() == 0 else []
    return frozenset(dist.all_gather_object(found)[0])


def keep_float32(network: nn.Module, kinds: Collection[str]) -> int:
    """Let a network's convolutions of some kinds be computed in float32, in place, and no others; return how many."""
    count = 0
    for module in network.modules():
        if type(module) in (nn.Conv2d, Float32Conv2d):
            kept = kind_of(module) in kinds
            # The same module in all but its forward: parameters, hooks and copies of it stay what they are.
            module.__class__ = Float32Conv2d if kept else nn.Conv2d
            count += kept
    return count


class CPUAutocast(Algorithm):
    """Wrap forward in `torch.autocast("cpu", bfloat16)` and hand float32 logits to the loss.

    The loss stays outside the autocast region on purpose, and so do convolutions that are slow in bfloat16. Which these
    are is part of a checkpoint: a run that goes on elsewhere, or after another measurement, computes as it began. On a
    GPU use Composer's `precision` in its place.

    `extension` is the vector extension by which the precision was chosen, such as "AMX"; convolutions of the networks
    `beside` the model, which go forward under an autocast region of their own, are chosen alike.
    """

    def __init__(self, extension: str, beside: Sequence[nn.Module] = ()) -> None:
        self.extension = extension
        self.slow: frozenset[str] = frozenset()
        self._networks: Sequence[nn.Module] = beside
        self._context: torch.autocast | None = None

    def match(self, event: Event, state: State) -> bool:
        """Run once at the start, and around every forward pass, of training and of evaluation."""
        return event == Event.INIT or event in ENTER or event in LEAVE

    def apply(self, event: Event, state: State, logger: Logger) -> None:
        """Choose the convolutions that stay in float32; enter or leave the autocast region."""
        if event == Event.INIT:
            self._networks, self.slow = [*self._networks, state.model], slow_kinds(self.extension)
            self._keep()
        elif event in ENTER:
            self._context = torch.autocast("cpu", dtype=torch.bfloat16)
            self._context.__enter__()
        else:
            if self._context is not None:
                self._context.__exit__(None, None, None)
                self._context = None
            state.outputs = to_float32(state.outputs)

    def state_dict(self) -> dict[str, Any]:
        """Return which kinds of convolution stay in float32."""
        return {"slow": sorted(self.slow)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Compute as the run that was saved."""
        self.slow = frozenset(state["slow"])
        self._keep()

    def _keep(self) -> None:
        """Let the slow convolutions of every network be computed in float32."""
        for network in self._networks:
            keep_float32(network, self.slow)
