"""Convolutions by matrix products compute what torch's do, forward and backward, in every type that trains on a CPU."""

import copy
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from algorithms.convolution_products import (
    FORWARD,
    PASSES,
    Case,
    SmallMapConv2d,
    SmallMapConvolution,
    case_of,
    is_plain,
    library,
    overlap,
    products,
    use_products,
)

# Channels in, out, kernel, padding, size: small maps of speed_75, an even kernel, others as long as they are wide.
SHAPES = [
    (5, 7, (3, 3), (1, 1), (2, 2)),
    (5, 7, (3, 3), (1, 1), (3, 3)),
    (4, 6, (2, 2), (0, 0), (5, 6)),
    (4, 6, (3, 3), (1, 1), (1, 1)),
    (3, 4, (5, 3), (2, 1), (3, 4)),
    (3, 4, (1, 7), (0, 3), (2, 3)),
    (3, 4, (3, 3), (4, 4), (2, 1)),
    (3, 4, (4, 4), (1, 2), (4, 5)),
]
# The difference that rounding may make, relative to the largest value: bfloat16 has 8 bits of precision.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2**-7}


def draw(shape: tuple, dtype: torch.dtype = torch.float64, batch: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Return random maps, filters and a gradient of the result for a shape, channels-last."""
    w_in, w_out, kernel, _, size = shape
    generator = torch.Generator().manual_seed(1)
    result = Case(*shape).result

    def one(*sizes: int) -> Tensor:
        return torch.randn(sizes, generator=generator).to(dtype).to(memory_format=torch.channels_last)

    return one(batch, w_in, *size), one(w_out, w_in, *kernel), one(batch, w_out, *result)


@pytest.mark.parametrize(("shape", "dtype"), product(SHAPES, TOLERANCE), ids=str)
def test_every_pass_is_that_of_torch(shape: tuple, dtype: torch.dtype) -> None:
    maps, filters, gradient = draw(shape, dtype)
    for which in PASSES:
        given = None if which == FORWARD else gradient
        theirs, ours = (function(which, maps, filters, given, shape[3]) for function in (library, products))
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype == dtype
        assert (ours - theirs).abs().max() <= TOLERANCE[dtype] * theirs.abs().max()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("chosen", [PASSES, ("filters",), ("forward", "input")], ids=str)
def test_the_gradients_are_right(shape: tuple, chosen: tuple[str, ...]) -> None:
    maps, filters, _ = draw(shape, batch=2)
    inputs = (maps.requires_grad_(), filters.requires_grad_())
    assert torch.autograd.gradcheck(lambda *pair: SmallMapConvolution.apply(*pair, shape[3], chosen), inputs)


def test_in_bfloat16_products_are_as_exact_as_the_library() -> None:
    """Against float64, on sums of as many products as a layer of speed_75 has."""
    maps, filters, gradient = draw((192, 96, (3, 3), (1, 1), (2, 2)), torch.bfloat16, batch=64)
    for which in PASSES:
        given = None if which == FORWARD else gradient
        exact = library(which, maps.double(), filters.double(), None if given is None else given.double(), (1, 1))
        theirs, ours = (
            (function(which, maps, filters, given, (1, 1)).double() - exact).norm() for function in (library, products)
        )
        assert ours <= 1.05 * theirs


@pytest.mark.parametrize("place", range(-2, 8))
def test_what_a_kernel_covers_of_a_line(place: int) -> None:
    covered, part = overlap(place, 1, 3, 4)
    expected = [(place - 1 + entry, entry) for entry in range(3) if 0 <= place - 1 + entry < 4]
    assert list(zip(range(4)[covered], range(3)[part], strict=True)) == expected


def network() -> nn.Sequential:
    """Return a network with a convolution that products can compute, and others."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
        nn.Conv2d(8, 4, 1),
    )


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(4, 4, 3),
        nn.Conv2d(4, 4, 1, bias=False),
        nn.Conv2d(4, 4, 3, 2, bias=False),
        nn.Conv2d(4, 4, 3, groups=2, bias=False),
        nn.Conv2d(4, 4, 3, dilation=2, bias=False),
        nn.Conv2d(4, 4, 3, padding="same", bias=False),
        nn.Conv2d(4, 4, 3, padding_mode="reflect", bias=False),
        nn.Conv1d(4, 4, 3, bias=False),
        nn.Linear(4, 4),
    ],
    ids=str,
)
def test_what_products_do_not_compute(module: nn.Module) -> None:
    assert not is_plain(module)


def test_only_the_chosen_sizes_and_layers_are_computed_by_products() -> None:
    plain, changed = network(), network()
    case = str(case_of(changed[0], (2, 2)))
    assert use_products(changed, {case: PASSES, "8 to 8, kernel 3x3, padding 1x1, map 2x2": PASSES}) == 1
    assert [type(module) for module in changed] == [SmallMapConv2d, nn.Conv2d, nn.Conv2d]
    large, small = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 2, 2)
    assert torch.equal(plain(large), changed(large))
    torch.testing.assert_close(plain(small), changed(small))
    assert plain.state_dict().keys() == changed.state_dict().keys()
    assert use_products(changed, {}) == 0
    assert torch.equal(plain(small), changed(small))


def test_under_autocast_it_computes_in_bfloat16_and_hands_out_float32_gradients() -> None:
    changed = network()
    use_products(changed, {str(case_of(changed[0], (2, 2))): PASSES})
    images = torch.randn(2, 3, 2, 2, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = changed[0](images)
        expected = F.conv2d(images, changed[0].weight, padding=1)
    assert maps.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(maps, expected)
    maps.float().sum().backward()
    assert images.grad is not None
    assert changed[0].weight.grad.dtype == images.grad.dtype == torch.float32


def test_a_copy_computes_with_its_own_filters() -> None:
    changed = network()
    use_products(changed, {str(case_of(changed[0], (2, 2))): PASSES})
    copied = copy.deepcopy(changed)
    nn.init.zeros_(copied[0].weight)
    assert copied[0](torch.ones(1, 3, 2, 2)).abs().sum() == 0
    assert changed[0](torch.ones(1, 3, 2, 2)).abs().sum() > 0
