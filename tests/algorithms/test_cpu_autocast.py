"""Under the CPU's autocast, convolutions that are slow in bfloat16 are float32 ones; all else is bfloat16."""

import copy
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from composer.core import Event, State
from torch import nn

from algorithms import cpu_autocast
from algorithms.cpu_autocast import (
    LARGE_KERNEL,
    MARGIN,
    PLAIN,
    PROBES,
    SLOW,
    STRIDED,
    CPUAutocast,
    Float32Conv2d,
    bfloat16_over_float32,
    keep_float32,
    kind_of,
    slow_kinds,
)
from bench.engines.precision import ROWS, find_row


def depthwise(kernel: int | tuple[int, int], stride: int = 1) -> nn.Conv2d:
    """Return a depthwise convolution of eight channels."""
    return nn.Conv2d(8, 8, kernel, stride, groups=8)


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        (depthwise(3), PLAIN),
        (depthwise(1), PLAIN),
        (depthwise(3, 2), STRIDED),
        (depthwise(7, 2), STRIDED),
        (depthwise(7), LARGE_KERNEL),
        (depthwise((1, 5)), LARGE_KERNEL),
        (nn.Conv2d(8, 8, 7, 2), None),
        (nn.Conv2d(8, 8, 7, groups=2), None),
        (nn.Conv2d(1, 8, 7), None),
        (nn.Conv1d(8, 8, 7, groups=8), None),
    ],
    ids=str,
)
def test_which_are_slow(module: nn.Module, kind: str | None) -> None:
    """With AVX512-BF16 strided ones and large kernels are."""
    assert kind_of(module) == kind
    assert keep_float32(nn.Sequential(module), slow_kinds("AVX512-BF16")) == (kind in (STRIDED, LARGE_KERNEL))
    assert keep_float32(nn.Sequential(module), slow_kinds("AVX2")) == (kind is not None)


def test_the_kinds_are_known_by_the_names_of_the_table_of_precisions() -> None:
    assert SLOW.keys() <= {row.name for row in ROWS if row.device == "cpu"}
    assert set(PROBES) == {STRIDED, LARGE_KERNEL, PLAIN}
    for kind, (channels, _, kernel, stride) in PROBES.items():
        assert kind_of(nn.Conv2d(channels, channels, kernel, stride, groups=channels)) == kind


def test_where_nothing_is_known_it_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    ratios = {STRIDED: MARGIN + 0.1, LARGE_KERNEL: MARGIN - 0.05, PLAIN: 0.5}
    monkeypatch.setattr(cpu_autocast, "bfloat16_over_float32", ratios.__getitem__)
    assert slow_kinds("AMX") == {STRIDED}


def test_measuring_changes_neither_threads_nor_random_numbers() -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    assert bfloat16_over_float32(PLAIN) > 0
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


@pytest.mark.skipif(find_row("cpu").name not in SLOW, reason="no other measurement to compare with")
def test_a_measurement_finds_what_is_known_of_this_machine() -> None:
    extension = find_row("cpu").name
    assert {kind for kind in PROBES if bfloat16_over_float32(kind) > MARGIN} == SLOW[extension]


def test_a_convolution_kept_in_float32_computes_as_without_autocast() -> None:
    images, network = torch.randn(2, 8, 9, 9), nn.Sequential(depthwise(7, 2), nn.Conv2d(8, 4, 1))
    before, expected = network.state_dict(), network[0](images)
    keep_float32(network, {STRIDED})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        kept, rest = network[0](images.bfloat16().float()), network(images)
    assert kept.dtype == torch.float32
    assert rest.dtype == torch.bfloat16
    assert torch.equal(network[0](images), expected)
    assert network.state_dict().keys() == before.keys()
    assert isinstance(network[0], nn.Conv2d)


def test_a_copy_computes_with_its_own_weights() -> None:
    network = nn.Sequential(depthwise(5))
    keep_float32(network, {LARGE_KERNEL})
    copied = copy.deepcopy(network)
    nn.init.zeros_(copied[0].weight)
    nn.init.zeros_(copied[0].bias)
    assert copied(torch.ones(1, 8, 5, 5)).abs().sum() == 0
    assert network(torch.ones(1, 8, 5, 5)).abs().sum() > 0


def test_the_algorithm_keeps_them_at_the_start_and_wraps_forward() -> None:
    network = nn.Sequential(depthwise(7), nn.Conv2d(8, 4, 1))
    algorithm, logger = CPUAutocast("AVX512-BF16"), cast("Any", None)
    state = cast("State", SimpleNamespace(model=network, outputs=None))
    assert algorithm.match(Event.INIT, state)
    algorithm.apply(Event.INIT, state, logger)
    assert [type(module) for module in network] == [Float32Conv2d, nn.Conv2d]
    algorithm.apply(Event.BEFORE_FORWARD, state, logger)
    state.outputs = network(torch.randn(1, 8, 9, 9))
    assert state.outputs.dtype == torch.bfloat16
    algorithm.apply(Event.AFTER_FORWARD, state, logger)
    assert state.outputs.dtype == torch.float32
    assert not torch.is_autocast_enabled("cpu")


def test_a_checkpoint_decides_which_stay_in_float32() -> None:
    network = nn.Sequential(depthwise(7), depthwise(3))
    algorithm = CPUAutocast("AVX512-BF16")
    algorithm.apply(Event.INIT, cast("State", SimpleNamespace(model=network)), cast("Any", None))
    assert algorithm.state_dict() == {"slow": [LARGE_KERNEL, STRIDED]}
    algorithm.load_state_dict({"slow": [PLAIN]})
    assert [type(module) for module in network] == [nn.Conv2d, Float32Conv2d]
    assert algorithm.state_dict() == {"slow": [PLAIN]}
