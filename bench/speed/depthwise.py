"""Compare depthwise convolutions in float32 and bfloat16, forward and backward, in turns.

    python -m bench.speed depthwise --json depthwise.json

`algorithms.cpu_autocast` keeps kinds of convolution in float32 on the CPUs on which this table shows them slow, and
measures one of each kind elsewhere. The table says for every case whether what a run chooses here is the faster.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from algorithms.cpu_autocast import kind_of, slow_kinds
from bench.engines.precision import find_row
from bench.speed.command import check, depthwise_parser, describe, publish
from bench.speed.depthwise_table import depthwise_table
from bench.speed.timing import take_turns
from bench.util.cli import OK


class Case(NamedTuple):
    """A depthwise convolution: its channels, the height and width of its input, its kernel and stride."""

    channels: int
    size: int
    kernel: int
    stride: int = 1


# As they occur in the zoo: Ghost, GhostNet, MBConv, the improved network, ConvNeXt, MSCAN.
CASES = (
    *(Case(8, 32, 3), Case(32, 8, 3), Case(64, 16, 3), Case(256, 8, 3)),
    *(Case(32, 16, 3, 2), Case(256, 16, 3, 2)),
    *(Case(32, 16, 5), Case(64, 32, 7), Case(128, 32, 7, 2), Case(96, 8, 7), Case(768, 1, 7)),
)


def step_of(case: Case, batch: int, dtype: torch.dtype) -> Callable[[], None]:
    """Return forward and backward of a case as autocast runs them: a bfloat16 map and float32 weights come in."""
    torch.manual_seed(0)
    images = torch.randn(batch, case.channels, case.size, case.size).bfloat16()
    images = images.to(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(case.channels, 1, case.kernel, case.kernel, requires_grad=True)

    def step() -> None:
        """Run forward and backward once."""
        maps = convolve(images.to(dtype), weight.to(dtype), case)
        maps.backward(torch.ones_like(maps))

    return step


def convolve(images: Tensor, weight: Tensor, case: Case) -> Tensor:
    """Return the depthwise convolution of a case."""
    return F.conv2d(images, weight, None, case.stride, case.kernel // 2, 1, case.channels)


def is_kept(case: Case, slow: Collection[str]) -> bool:
    """Tell whether a run in bfloat16 computes this convolution in float32, given the kinds that it keeps so."""
    module = torch.nn.Conv2d(case.channels, case.channels, case.kernel, case.stride, groups=case.channels)
    return kind_of(module) in slow


def measure(case: Case, batch: int, rounds: int, slow: Collection[str]) -> dict[str, Any]:
    """Return the seconds of every round in both types."""
    works = {"bfloat16": step_of(case, batch, torch.bfloat16), "float32": step_of(case, batch, torch.float32)}
    times = take_turns(works, rounds)
    return {
        **case._asdict(),
        "kept": is_kept(case, slow),
        "seconds": {name: taken.wall for name, taken in times.items()},
    }


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, and write the numbers where asked."""
    options = depthwise_parser().parse_args(arguments)
    check(options, {"batch": 4096, "threads": 1024, "rounds": 1000})
    torch.set_num_threads(options.threads)
    slow = slow_kinds(find_row("cpu").name)
    numbers = {
        **describe("depthwise", arguments),
        "plan": {name: getattr(options, name) for name in ("batch", "threads", "rounds")},
        "rows": [measure(case, options.batch, options.rounds, slow) for case in CASES],
    }
    publish(numbers, depthwise_table(numbers), options)
    return OK
