"""Convolutions as matrix products: for small maps, where a convolution of torch is slow on a CPU.

Forward and the gradient of the input are one product for each pixel of the result, the gradient of the filters one for
each entry of the kernel. The padding is left out: a padded 3×3 convolution of 2×2 maps needs 16 of the 36 products that
a convolution computes. Sums are those of torch's convolution in another order, rounded once to the type of the maps.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

FORWARD, INPUT, FILTERS = PASSES = ("forward", "input", "filters")
Pair = tuple[int, int]
# Case, as text → the passes of it that are computed by products.
Choices = Mapping[str, Collection[str]]


def result_size(size: Sequence[int], kernel: Sequence[int], padding: Sequence[int]) -> Pair:
    """Return height and width of the result of a convolution of stride 1."""
    height, width = (pixels + 2 * pad - length + 1 for pixels, length, pad in zip(size, kernel, padding, strict=True))
    return height, width


def overlap(place: int, before: int, kernel: int, size: int) -> tuple[slice, slice]:
    """Return which places of a line a kernel covers that begins `before` places before `place`, and with which part."""
    first = place - before
    start = min(max(0, first), size)
    stop = max(start, min(size, first + kernel))
    return slice(start, stop), slice(start - first, stop - first)


def by_pixel(maps: Tensor, filters: Tensor, padding: Pair, size: Sequence[int]) -> Tensor:
    """Return the correlation of N×H×W×C maps with filters O×h×w×C, padded by zeros: N×`size`×O, a product a pixel."""
    result = maps.new_empty(len(maps), *size, len(filters))
    for y in range(size[0]):
        rows, vertical = overlap(y, padding[0], filters.shape[1], maps.shape[1])
        for x in range(size[1]):
            columns, horizontal = overlap(x, padding[1], filters.shape[2], maps.shape[2])
            seen = maps[:, rows, columns].reshape(len(maps), -1)
            result[:, y, x] = seen @ filters[:, vertical, horizontal].reshape(len(filters), -1).T
    return result


def gradient_of_input(gradient: Tensor, filters: Tensor, padding: Pair, size: Sequence[int]) -> Tensor:
    """Return the gradient, N×`size`×C, of `by_pixel`'s maps, of that of its result: filters turned by 180°."""
    turned = filters.flip(1, 2).permute(3, 1, 2, 0).contiguous()
    outside = (filters.shape[1] - 1 - padding[0], filters.shape[2] - 1 - padding[1])
    return by_pixel(gradient, turned, outside, size)


def gradient_of_filters(gradient: Tensor, maps: Tensor, padding: Pair, kernel: Sequence[int]) -> Tensor:
    """Return the gradient, O×h×w×C, of `by_pixel`'s filters, of that of its result: a product a kernel entry."""
    _, height, width, w_out = gradient.shape
    result = gradient.new_empty(w_out, *kernel, maps.shape[3])
    for y in range(kernel[0]):
        rows, above = overlap(y, padding[0], height, maps.shape[1])
        for x in range(kernel[1]):
            columns, left = overlap(x, padding[1], width, maps.shape[2])
            moved = gradient[:, above, left].reshape(-1, w_out)
            result[:, y, x] = moved.T @ maps[:, rows, columns].reshape(-1, maps.shape[3])
    return result


def last(maps: Tensor) -> Tensor:
    """Return N×C×H×W maps or filters as N×H×W×C, a view."""
    return maps.permute(0, 2, 3, 1)


def first(maps: Tensor) -> Tensor:
    """Return N×H×W×C maps or filters as N×C×H×W, a view."""
    return maps.permute(0, 3, 1, 2)


def library(which: str, maps: Tensor, filters: Tensor, gradient: Tensor | None, padding: Pair) -> Tensor:
    """Return a pass of a convolution of N×C×H×W maps as torch computes it; backward, of the result's gradient."""
    if gradient is None:
        return F.conv2d(maps, filters, None, 1, padding)
    wanted = [which == INPUT, which == FILTERS, False]
    found = torch.ops.aten.convolution_backward(
        gradient, maps, filters, None, [1, 1], list(padding), [1, 1], False, [0, 0], 1, wanted
    )
    return found[wanted.index(True)]


def products(which: str, maps: Tensor, filters: Tensor, gradient: Tensor | None, padding: Pair) -> Tensor:
    """Return what `library` does, by matrix products."""
    maps, filters = last(maps), last(filters)
    if gradient is None:
        return first(by_pixel(maps, filters, padding, result_size(maps.shape[1:3], filters.shape[1:3], padding)))
    if which == INPUT:
        return first(gradient_of_input(last(gradient), filters, padding, maps.shape[1:3]))
    return first(gradient_of_filters(last(gradient), maps, padding, filters.shape[1:3]))


class SmallMapConvolution(torch.autograd.Function):
    """A convolution of stride 1 whose passes are computed each in its own way."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, filters: Tensor, padding: Pair, chosen: Collection[str]) -> Tensor:
        """Return the convolution of N×C×H×W maps; `chosen` are the passes to compute by products."""
        ctx.save_for_backward(maps, filters)
        ctx.padding, ctx.chosen = padding, chosen
        return way(FORWARD, chosen)(FORWARD, maps, filters, None, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients that are needed."""
        maps, filters = ctx.saved_tensors
        found = [
            way(which, ctx.chosen)(which, maps, filters, gradient, ctx.padding) if needed else None
            for which, needed in zip((INPUT, FILTERS), ctx.needs_input_grad, strict=False)
        ]
        return (*found, None, None)


def way(which: str, chosen: Collection[str]) -> Callable[..., Tensor]:
    """Return the function that computes a pass."""
    return products if which in chosen else library


@dataclass(frozen=True)
class Case:
    """A convolution of stride 1 and its input: channels in and out, kernel, padding and size, height before width."""

    w_in: int
    w_out: int
    kernel: Pair
    padding: Pair
    size: Pair

    @property
    def result(self) -> Pair:
        """Return the size of the result."""
        return result_size(self.size, self.kernel, self.padding)

    def __str__(self) -> str:
        """Return what a checkpoint calls the case."""
        kernel, padding, size = ("x".join(map(str, pair)) for pair in (self.kernel, self.padding, self.size))
        return f"{self.w_in} to {self.w_out}, kernel {kernel}, padding {padding}, map {size}"


class SmallMapConv2d(nn.Conv2d):
    """A convolution that computes the chosen passes of maps of the chosen sizes by matrix products."""

    choices: Choices

    def forward(self, maps: Tensor) -> Tensor:
        """Return the convolution of N×C×H×W maps, in autocast's type where that is on."""
        chosen = self.choices.get(str(case_of(self, maps.shape[2:])))
        if not chosen:
            return super().forward(maps)
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else maps.dtype
        return SmallMapConvolution.apply(maps.to(kind), self.weight.to(kind), self.padding, chosen)


def is_plain(module: nn.Module) -> bool:
    """Tell whether a module is a convolution that products can compute: dense, of stride 1, without bias."""
    if type(module) not in (nn.Conv2d, SmallMapConv2d):
        return False
    assert isinstance(module, nn.Conv2d)
    dense = module.groups == 1 and {*module.stride, *module.dilation} == {1}
    zeros = module.padding_mode == "zeros" and not isinstance(module.padding, str)
    return dense and zeros and module.bias is None and module.kernel_size != (1, 1)


def case_of(module: nn.Conv2d, size: Sequence[int]) -> Case:
    """Return the case that a convolution is for maps of a size."""
    height, width = size
    kernel, padding = cast("Pair", module.kernel_size), cast("Pair", module.padding)
    return Case(module.in_channels, module.out_channels, kernel, padding, (height, width))


def use_products(network: nn.Module, choices: Choices) -> int:
    """Let a network's convolutions compute the chosen passes by products, in place, and no others; return how many.

    They stay the same modules in all but their forward: parameters, hooks and copies of them stay what they are.
    """
    count = 0
    for module in filter(is_plain, network.modules()):
        assert isinstance(module, nn.Conv2d)
        layer = str(case_of(module, (0, 0))).removesuffix("0x0")
        own = {case: passes for case, passes in choices.items() if case.startswith(layer) and passes}
        module.__class__ = SmallMapConv2d if own else nn.Conv2d
        module.__dict__["choices"] = own
        count += bool(own)
    return count
