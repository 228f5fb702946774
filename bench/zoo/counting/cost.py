"""What one image costs: parameters, multiply-accumulates by two independent counters, and activations.

The suite's convention: MACs are those of convolutions, matrix products and linear layers of one forward pass in eval
mode at batch 1, biases left out; FLOPs = 2 × MACs. A network that refuses a single image is counted on the smallest
batch that it takes, and the count divided. Known conventions, undone or switched off before comparing:

- `torch.utils.flop_counter.FlopCounterMode` counts two per multiply-accumulate: its total is halved.
- Neither counts the CPU's fused attention: it is off while counting, so that its two products are plain ones.
- ptflops (backend "aten") adds one for every biased output of a convolution or linear layer: those are subtracted.

Neither counts norms, activation functions, poolings, softmax and sums; `Cost.uncounted` lists them. An operation that
multiplies matrices under a name unknown to both would make both wrong alike, so it is an error.
"""

import copy
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from ptflops import get_model_complexity_info
from ptflops.aten_ops import ATEN_OPS_MAPPING
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from algorithms.convolution_products import use_products
from bench.util.errors import first_line
from bench.zoo.counting.reference import IMAGE

Result = TypeVar("Result")
LARGEST_BATCH = 1024
TOLERANCE = 0.02
FLOP_COUNTER, PTFLOPS = "FlopCounterMode", "ptflops"
# Names of operations that multiply and accumulate; one that neither counter knows must not pass as free of cost.
PRODUCT_NAME = re.compile(r"attention|attn|conv|mm(_|$)|mv(_|$)|\.v?dot|linear$|rnn|lstm|gru|fft|einsum|cdist")
BIASED = {torch.ops.aten.convolution: 2, torch.ops.aten._convolution: 2, torch.ops.aten.addmm: 0}


class CountError(RuntimeError):
    """Say that a model's cost cannot be trusted: the counters disagree, or one of them failed."""


@dataclass(frozen=True)
class Uncounted:
    """An operation of the forward pass that a counter gave no cost: its name, how often it ran, who left it out."""

    operation: str
    calls: int
    missed_by: tuple[str, ...]


@dataclass(frozen=True)
class Cost:
    """The cost of one forward pass of one image.

    `macs` is FlopCounterMode's count, `ptflops_macs` the count of ptflops without the `bias_additions` it includes,
    `activations` the elements of the outputs of convolutions, linear layers and matrix products (Radosavovic et al.,
    Designing Network Design Spaces, CVPR 2020, count those of convolutions), `disagreement` |a − b| / max(a, b).
    """

    params: int
    macs: int
    ptflops_macs: int
    bias_additions: int
    activations: int
    disagreement: float
    uncounted: tuple[Uncounted, ...]

    @property
    def flops(self) -> int:
        """Return floating-point operations of one forward pass: two per multiply-accumulate."""
        return 2 * self.macs


class OperationLog(TorchDispatchMode):
    """Note every ATen operation that runs: how often, how many elements products put out, how many had a bias added."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[Any] = Counter()
        self.activations = 0
        self.bias_additions = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and note it."""
        out = func(*args, **(kwargs or {}))
        packet = func._overloadpacket
        if not func.is_view:
            self.calls[packet] += 1
        if packet in flop_registry or packet in ATEN_OPS_MAPPING:
            self.activations += tree_leaves(out)[0].numel()
        if packet in BIASED and args[BIASED[packet]] is not None:
            self.bias_additions += out.numel()
        return out


@contextmanager
def plain_operations() -> Iterator[None]:
    """Run without gradients, autocast, fused attention and fused transformer layers, and give the random state back."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), torch.autocast("cpu", enabled=False), torch.random.fork_rng(devices=[]):
            with sdpa_kernel(SDPBackend.MATH):
                yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def scratch_copy(model: nn.Module) -> nn.Module:
    """Return a frozen float32 NCHW copy on the CPU with torch's own kernels, to run and to hook beside the model."""
    twin = copy.deepcopy(model).cpu().float().requires_grad_(False)
    use_products(twin, {})
    return twin.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters; a shared one counts once."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def smallest_batch(accepts: Callable[[int], bool], first: int) -> int | None:
    """Return the smallest batch that is accepted, from `first` images on; None when none up to LARGEST_BATCH is.

    The sizes tried double until one is accepted, then the gap below it is halved.
    """
    high = first
    while not accepts(high):
        high *= 2
        if high > LARGEST_BATCH:
            return None
    low = high // 2
    while high > first and high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if accepts(middle) else (middle, high)
    return high


def on_accepted_batch(count: Callable[[int], Result], first: int) -> Result:
    """Return what is counted on a batch of `first` images or, where the network refuses it, on the smallest it takes.

    A RuntimeError or ValueError of `count` other than CountError is a refusal. Raises CountError when all are refused.
    """
    try:
        return count(first)
    except CountError:
        raise
    except (RuntimeError, ValueError) as error:
        refusal = error

    def accepts(size: int) -> bool:
        """Tell whether the network takes a batch of a size."""
        try:
            count(size)
        except (RuntimeError, ValueError):
            return False
        return True

    size = smallest_batch(accepts, first)
    if size is None:
        raise CountError(f"the network takes no batch of {first} to {LARGEST_BATCH} images: {first_line(refusal)}")
    return count(size)


def per_image(total: int, batch: int) -> int:
    """Return a batch's count for one image; raise CountError when it is not proportional to the batch."""
    if total % batch:
        raise CountError(f"the cost of a batch of {batch} images, {total:,}, is not a multiple of its size.")
    return total // batch


@dataclass(frozen=True)
class Observation:
    """What one forward pass in eval mode did: FlopCounterMode's FLOPs, the log of operations, the size of the batch."""

    flops: int
    log: OperationLog
    batch: int

    @property
    def macs(self) -> int:
        """Return the MACs of one image."""
        return per_image(self.flops, 2 * self.batch)

    @property
    def activations(self) -> int:
        """Return the elements that products put out for one image."""
        return per_image(self.log.activations, self.batch)


def observe(model: nn.Module, input_shape: tuple[int, ...] = IMAGE) -> Observation:
    """Return what a forward pass of one image of `input_shape` does, or of the smallest batch that the model takes."""
    twin = scratch_copy(model).eval()

    def run(batch: int) -> Observation:
        """Observe a pass of a batch."""
        counter = FlopCounterMode(display=False)
        with plain_operations(), counter, OperationLog() as log:
            twin(torch.zeros(batch, *input_shape))
        return Observation(counter.get_total_flops(), log, batch)

    return on_accepted_batch(run, first=1)


def macs_by_ptflops(model: nn.Module, input_shape: tuple[int, ...] = IMAGE, batch: int = 1) -> int:
    """Return the MACs of one image by ptflops, biases included as it counts them; raise CountError when it fails."""
    said = io.StringIO()

    def zeros(shape: tuple[int, ...]) -> Tensor:
        """Return the batch that is counted."""
        return torch.zeros(batch, *shape)

    with plain_operations():
        macs, _ = get_model_complexity_info(
            scratch_copy(model),
            tuple(input_shape),
            print_per_layer_stat=False,
            as_strings=False,
            input_constructor=zeros,
            ost=said,
            backend="aten",
        )
    if macs is None:
        raise CountError(f"ptflops could not count {type(model).__name__} on an image of shape {input_shape}.")
    return per_image(int(macs), batch)


def _uncounted(calls: Counter[Any]) -> tuple[Uncounted, ...]:
    """Return the operations that a counter does not know, by name, in-place forms under the name of the functional one.

    Views, which compute nothing, are not in the log.
    """
    known = {FLOP_COUNTER: flop_registry, PTFLOPS: ATEN_OPS_MAPPING}
    missed: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for packet, times in calls.items():
        by = tuple(counter for counter, registry in known.items() if packet not in registry)
        missed[str(packet).removesuffix("_"), by] += times if by else 0
    return tuple(Uncounted(operation, times, by) for (operation, by), times in sorted(missed.items()) if by)


def check_cost(cost: Cost, name: str) -> None:
    """Raise CountError when the counters differ by more than 2 % or both left out a matrix product."""
    hidden = [u.operation for u in cost.uncounted if len(u.missed_by) > 1 and PRODUCT_NAME.search(u.operation)]
    if hidden:
        raise CountError(f"{name}: neither counter knows {', '.join(hidden)}, which multiplies and accumulates.")
    if cost.disagreement > TOLERANCE:
        listed = ", ".join(f"{u.operation} ({u.calls}, missed by {' and '.join(u.missed_by)})" for u in cost.uncounted)
        raise CountError(
            f"{name}: {FLOP_COUNTER} counts {cost.macs:,} MACs, {PTFLOPS} {cost.ptflops_macs:,}: "
            f"{cost.disagreement:.1%} apart, allowed {TOLERANCE:.0%}. Uncounted: {listed}."
        )


def count_cost(model: nn.Module, input_shape: tuple[int, ...] = IMAGE, observed: Observation | None = None) -> Cost:
    """Return the cost of one image of `input_shape` (C, H, W).

    Counted on a CPU copy: the model, its buffers and the random state stay as they were, on any device. `observed` is
    what `observe` returned, where it has run already. Raises CountError when the two counters differ by more than 2 %
    after the conventions above, when an operation that neither knows multiplies matrices, or when ptflops fails.
    """
    seen = observed or observe(model, input_shape)
    bias_additions = per_image(seen.log.bias_additions, seen.batch)
    ptflops_macs = macs_by_ptflops(model, input_shape, seen.batch) - bias_additions
    cost = Cost(
        params=count_parameters(model),
        macs=seen.macs,
        ptflops_macs=ptflops_macs,
        bias_additions=bias_additions,
        activations=seen.activations,
        disagreement=abs(seen.macs - ptflops_macs) / max(seen.macs, ptflops_macs, 1),
        uncounted=_uncounted(seen.log.calls),
    )
    check_cost(cost, type(model).__name__)
    return cost
