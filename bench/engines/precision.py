"""Which precision a run computes in: what was declared, on the hardware at hand.

`ROWS` says which precision each kind of device is best at; everything else follows from it. Emulated bfloat16 is slower
than float32 (a tenth of its speed on a CPU with AVX2), so `auto` never chooses it. torch is imported only where needed.
"""

import os
import platform
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.util.errors import BadInput
from bench.util.ranks import local_world_size

if TYPE_CHECKING:
    import torch

FP32, FP16, BF16 = "fp32", "amp_fp16", "amp_bf16"
# The type that the matrix products and convolutions of a precision are computed in, as torch names it.
DTYPES = {FP32: "float32", FP16: "float16", BF16: "bfloat16"}

# Limits of oneDNN's instructions under which it says that it takes bfloat16, but computes in float32 and converts.
EMULATING = ("AVX512_CORE", "AVX512_CORE_VNNI")


@dataclass(frozen=True)
class Row:
    """One row of the table: a kind of device ("cpu" or "gpu"), how to recognise it, and the precision it is best at."""

    device: str
    name: str
    present: Callable[[], bool]
    precision: str


@dataclass(frozen=True)
class Decision:
    """The precision that a run computes in, the reason in words ("CPU with AVX2"), and what `auto` chooses here.

    `begun` says that the run was begun elsewhere in a precision that it would not get here.
    """

    precision: str
    reason: str
    native: str
    begun: bool = False


def is_arm() -> bool:
    """Tell whether the processor is an ARM of 64 bits."""
    return platform.machine().lower() in ("aarch64", "arm64")


def has_amx() -> bool:
    """Tell whether an x86 processor has AMX tiles; this reads the processor and no environment variable."""
    import torch

    return bool(torch.cpu._is_amx_tile_supported())


def has_avx512_bf16() -> bool:
    """Tell whether an x86 processor has AVX512-BF16; this reads the processor and no environment variable."""
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported())


def onednn_has_bf16() -> bool:
    """Tell whether oneDNN takes bfloat16 and ONEDNN_MAX_CPU_ISA does not limit it to emulating that."""
    import torch

    if not torch.backends.mkldnn.is_available() or os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in EMULATING:
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def vector_extension() -> str:
    """Return the vector extension of torch's own kernels ("AVX2", "AVX512"), which ATEN_CPU_CAPABILITY may limit."""
    import torch

    return str(torch.backends.cpu.get_cpu_capability())


def compute_capability() -> tuple[int, int]:
    """Return the lowest compute capability of the GPUs that the run's processes on this host train on."""
    import torch

    used = min(torch.cuda.device_count(), local_world_size())
    return min(torch.cuda.get_device_capability(index) for index in range(max(1, used)))


def uses_bf16_on_x86() -> bool:
    """Tell whether torch would use an x86 processor's bfloat16 instructions: both of its libraries must be let."""
    return not is_arm() and onednn_has_bf16() and vector_extension() not in ("DEFAULT", "NO AVX", "AVX2")


# The first row that is present decides.
ROWS = (
    Row("gpu", "compute capability 8.0 or above", lambda: compute_capability() >= (8, 0), BF16),
    Row("gpu", "compute capability 7.x", lambda: compute_capability() >= (7, 0), FP16),
    Row("gpu", "compute capability below 7.0", lambda: True, FP32),
    Row("cpu", "AMX", lambda: uses_bf16_on_x86() and has_amx(), BF16),
    Row("cpu", "AVX512-BF16", lambda: uses_bf16_on_x86() and has_avx512_bf16(), BF16),
    Row("cpu", "AVX-512 without bfloat16", lambda: not is_arm() and vector_extension() == "AVX512", FP32),
    Row("cpu", "AVX2", lambda: not is_arm() and vector_extension() == "AVX2", FP32),
    Row("cpu", "ARM bfloat16", lambda: is_arm() and onednn_has_bf16(), BF16),
    Row("cpu", "no native bfloat16", lambda: True, FP32),
)


def find_row(device: str) -> Row:
    """Return the table's row for the hardware at hand; `device` is "cpu" or "gpu"."""
    return next(row for row in ROWS if row.device == device and row.present())


def find_device(declared: str) -> str:
    """Return the device, "cpu" or "gpu", that a declared one is here; raise BadInput for a GPU that there is not."""
    import torch

    has_gpu = torch.cuda.is_available()
    if declared == "gpu" and not has_gpu:
        raise BadInput("key 'device': 'gpu': this machine has no usable GPU; use device=cpu or device=auto")
    return declared if declared != "auto" else ("gpu" if has_gpu else "cpu")


def decide(declared: str, device: str, begun: str | None = None) -> Decision:
    """Return the precision that a declared one becomes on a device ("cpu" or "gpu").

    A run that began in another than it would get here goes on in that one. Raises BadInput for `amp` where the hardware
    has no mixed precision, and for what it cannot compute at all.
    """
    row = find_row(device)
    hardware = f"{device.upper()} with {row.name}"
    if declared not in ("auto", "amp"):
        if not can_compute(declared, device):
            words = f"this machine does not support it ({hardware}); use precision=auto or precision=fp32"
            raise BadInput(f"key 'precision': '{declared}': {words}")
        return Decision(declared, "as declared", row.precision)
    if begun is not None and begun != row.precision:
        if not can_compute(begun, device):
            raise BadInput(f"key 'precision': the run started in {begun}, which this {hardware} cannot compute")
        return Decision(begun, f"the run started in it; a {hardware} would choose {row.precision}", row.precision, True)
    if declared == "amp" and row.precision == FP32:
        words = f"this machine has no fast mixed precision ({hardware}); use precision=auto or precision=fp32"
        raise BadInput(f"key 'precision': 'amp': {words}")
    return Decision(row.precision, hardware, row.precision)


def can_compute(precision: str, device: str) -> bool:
    """Tell whether a device computes a precision at all, natively or by emulation."""
    return device == "gpu" or precision != FP16


def dtype_of(precision: str) -> "torch.dtype":
    """Return the type that a precision's matrix products and convolutions are computed in."""
    import torch

    return getattr(torch, DTYPES[precision])


def autocast(device: str, precision: str) -> AbstractContextManager[Any]:
    """Return the region in which a network computes in a precision on a torch device type ("cpu", "cuda")."""
    import torch

    return nullcontext() if precision == FP32 else torch.autocast(device, dtype=dtype_of(precision))


# Below this factor a precision is not called slow: so much may be noise.
SLOW = 1.2
# Images, channels and pixels a side of the block that is timed; on a GPU enough to outweigh the launch of its kernels.
BLOCK = {"cpu": (8, 32, 16), "gpu": (256, 128, 32)}
SECONDS_EACH = 0.1


def remarks(decision: Decision, device: str) -> list[str]:
    """Return what a user should know about a decision: that the run goes on as it began, and how slow that is here.

    float32 is never called slow: every machine computes it natively, and recipes declare it to compare with.
    """
    found = [f"resuming in {decision.precision}: {decision.reason}"] if decision.begun else []
    if decision.precision in (FP32, decision.native):
        return found
    factor = slowdown(decision.precision, decision.native, device)
    if factor >= SLOW:
        words = f"{decision.precision} takes {factor:.1f} times as long as {decision.native} on this machine"
        instead = "" if decision.begun else "; precision=auto chooses a fast one"
        found.append(f"slow: {words} (measured on a convolutional block){instead}")
    return found


def slowdown(precision: str, other: str, device: str) -> float:
    """Return how many times longer a small block takes to train in one precision than in another, within a second."""
    import torch

    threads = torch.get_num_threads()
    # One thread: several wait for each other, on a busy machine for longer than they compute.
    torch.set_num_threads(1)
    try:
        return seconds_of_step(precision, device) / seconds_of_step(other, device)
    finally:
        torch.set_num_threads(threads)


def seconds_of_step(precision: str, device: str) -> float:
    """Return the seconds of a forward and backward pass of two convolutions with a BatchNorm, the least of some."""
    import torch
    from torch import nn

    images, channels, pixels = BLOCK[device]
    kind = "cuda" if device == "gpu" else "cpu"
    # Nothing that a run draws later may depend on whether this was measured.
    with torch.random.fork_rng([]):
        one, two = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
    network = nn.Sequential(one, nn.BatchNorm2d(channels), nn.ReLU(), two).to(kind)
    batch = torch.ones(images, channels, pixels, pixels, device=kind)

    def step() -> float:
        """Train once and return the seconds; reading the gradient waits for the device."""
        began = time.perf_counter()
        with autocast(kind, precision):
            outputs = network(batch)
        outputs.float().sum().backward()
        assert one.bias is not None
        assert one.bias.grad is not None
        one.bias.grad.sum().item()
        return time.perf_counter() - began

    step()
    seconds = [step()]
    while sum(seconds) < SECONDS_EACH:
        seconds.append(step())
    return min(seconds)
