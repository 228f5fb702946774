"""The arithmetic of training costs: tallies, shares of steps, backward passes with frozen layers."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bench.zoo.build import build_model
from bench.zoo.counting.backward import backward_macs, frozen_flags, saved_by_freezing
from bench.zoo.counting.cost import count_cost
from bench.zoo.counting.planned import most_steps
from bench.zoo.counting.training import (
    Kind,
    Meter,
    Passes,
    add_plain,
    steps_of_shares,
    tally_of_shares,
    to_plain,
    training_macs,
)

SMALL, LARGE = (16, 16), (32, 32)
MACS = {SMALL: 10, LARGE: 40}


def test_a_backward_pass_is_two_forward_passes_less_what_freezing_saves() -> None:
    tally = {Kind(SMALL): Passes(5, 3), Kind(LARGE): Passes(2, 0), Kind(LARGE, "10"): Passes(0, 2)}
    saved = {Kind(LARGE, "10"): 7}
    wanted = (5 + 2 * 3) * 10 + 2 * 40 + 2 * (2 * 40 - 7)
    assert training_macs(tally, MACS.__getitem__, saved.__getitem__) == wanted


def test_a_plain_run_is_three_forward_passes_an_image() -> None:
    """ResNet-20 for 300 epochs of 50,000 images."""
    tally = {Kind(LARGE): Passes(15_000_000, 15_000_000)}
    assert training_macs(tally, lambda size: 40_818_944) == 3 * 40_818_944 * 15_000_000


@pytest.mark.parametrize(
    ("shares", "steps", "wanted"),
    [
        ([("0.5", SMALL), ("0.5", LARGE)], 5, [3, 2]),
        ([(0.1, SMALL), (0.2, SMALL), (0.7, LARGE)], 10, [1, 2, 7]),
        ([(1, LARGE)], 7, [7]),
        ([(0.0, SMALL), (1.0, LARGE)], 3, [0, 3]),
        ([(0.25, SMALL), (0.75, LARGE)], 2, [1, 1]),
    ],
)
def test_steps_of_shares(shares: list, steps: int, wanted: list[int]) -> None:
    assert steps_of_shares(shares, steps) == wanted


@given(
    parts=st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any), steps=st.integers(0, 1000), data=st.data()
)
def test_every_step_has_one_size(parts: list[int], steps: int, data: st.DataObject) -> None:
    shares = [(Fraction(part, sum(parts)), SMALL) for part in parts]
    numbers = steps_of_shares(shares, steps)
    assert sum(numbers) == steps
    # A step's size is that of the share in which the part of the run before it lies.
    if steps:
        step = data.draw(st.integers(0, steps - 1))
        before = [sum(parts[:index]) for index in range(len(parts) + 1)]
        mine = next(index for index in range(len(parts)) if before[index + 1] * steps > step * sum(parts))
        assert sum(numbers[:mine]) <= step < sum(numbers[: mine + 1])


def test_shares_that_do_not_make_a_whole_are_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.5, 0\.4 do not sum to 1"):
        steps_of_shares([(0.5, SMALL), (0.4, LARGE)], 10)


def test_a_list_of_sizes_is_counted_by_the_same_function() -> None:
    tally = tally_of_shares([("0.5", SMALL), ("0.3", LARGE), ("0.2", SMALL)], 10, batch_size=4)
    assert tally == {Kind(SMALL): Passes(28, 28), Kind(LARGE): Passes(12, 12)}
    assert training_macs(tally, MACS.__getitem__) == 3 * 4 * (7 * 10 + 3 * 40)


def test_a_meter_joins_a_backward_pass_with_its_forward_pass() -> None:
    meter = Meter()
    meter.forward(LARGE, 8, gradients=False)
    meter.forward(SMALL, 4, gradients=True)
    meter.forward(LARGE, 8, gradients=False)
    meter.backward("01")
    meter.backward("01")  # nothing left to go back through
    assert meter.tally == {
        Kind(LARGE): Passes(16, 0),
        Kind(SMALL): Passes(4, 0),
        Kind(SMALL, "01"): Passes(0, 4),
    }
    twice = add_plain(add_plain({}, to_plain(meter.tally)), to_plain(meter.tally))
    assert {kind: (p.forward, p.backward) for kind, p in twice.items()} == {
        kind: (2 * p.forward, 2 * p.backward) for kind, p in meter.tally.items()
    }


@given(price=st.integers(1, 10**6), limit=st.integers(0, 10**15))
def test_the_most_steps_within_a_limit(price: int, limit: int) -> None:
    assert most_steps(lambda steps: price * steps, Fraction(limit)) == limit // price


def net() -> nn.Sequential:
    """Return a network with a grouped, a depthwise, a strided and a transposed convolution and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1, groups=2),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
        nn.ConvTranspose2d(8, 6, 2, stride=2),
        nn.Conv2d(6, 4, 1, stride=2),
        nn.Flatten(),
        nn.Linear(4 * 8 * 8, 5),
    )


# Of an image of 4×8×8: groups of 2 inputs, depthwise, transposed (by input places), strided, linear.
LAYERS = [2 * 8 * 9 * 64, 8 * 9 * 64, 8 * 6 * 4 * 64, 6 * 4 * 64, 256 * 5]


def frozen(model: nn.Module, *layers: str) -> str:
    """Return the flags of a model whose layers of some names are frozen."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.split(".")[0] not in layers)
    return frozen_flags(list(model.parameters()))


def test_a_backward_pass_by_hand() -> None:
    """Two products a layer, one where its input needs no gradient: the image, and what comes from frozen layers."""
    model = net()
    assert count_cost(model, (4, 8, 8)).macs == sum(LAYERS)
    assert backward_macs(model, (4, 8, 8)) == 2 * sum(LAYERS) - LAYERS[0]
    saved = {
        ("0",): LAYERS[0],
        # The depthwise convolution's input needs none then, and its own weight has none.
        ("0", "1"): LAYERS[0] + LAYERS[1],
        ("0", "1", "2"): LAYERS[0] + 2 * LAYERS[1] + LAYERS[2],
        ("4",): LAYERS[3],
        ("0", "1", "2", "3", "4", "6"): 2 * sum(LAYERS) - LAYERS[0],
    }
    for layers, wanted in saved.items():
        assert saved_by_freezing(model, (4, 8, 8), frozen(model, *layers)) == wanted, layers


def test_flags_are_empty_where_nothing_is_frozen() -> None:
    model = net()
    assert frozen(model) == ""
    assert frozen(model, "0") == "11" + "0" * 9
    # What the model's own parameters say now does not matter.
    assert backward_macs(model, (4, 8, 8)) == 2 * sum(LAYERS) - LAYERS[0]


@pytest.mark.parametrize("name", ["convnext_tiny", "mlp_mixer_tiny", "ghost_resnet_20"])
def test_a_backward_pass_is_twice_a_forward_pass_less_the_images_own_gradient(name: str) -> None:
    model = build_model(name, 100)
    first = next(layer for layer in model.modules() if isinstance(layer, nn.Conv2d))
    sizes: list[int] = []
    first.register_forward_hook(lambda layer, inputs, output: sizes.append(output[0, 0].numel()))
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, 32, 32))
    stem = sizes[0] * first.weight.numel()
    assert backward_macs(model, (3, 32, 32)) == 2 * count_cost(model).macs - stem
