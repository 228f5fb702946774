"""In which type Muon multiplies: bfloat16 only on a CPU that trains in it."""

import pytest
import torch
from torch import nn

from algorithms.muon import Muon
from bench.config import YAMLS, load_spec
from bench.engines.optim import build_optimizer, product_dtype


@pytest.mark.parametrize(
    ("device", "precision", "dtype"),
    [
        ("cpu", "amp_bf16", torch.bfloat16),
        ("cpu", "fp32", torch.float32),
        ("gpu", "amp_bf16", torch.float32),
        ("gpu", "amp_fp16", torch.float32),
    ],
)
def test_only_a_cpu_in_bfloat16_multiplies_in_it(device: str, precision: str, dtype: torch.dtype) -> None:
    assert product_dtype(device, precision) is dtype


def test_the_type_of_products_changes_directions_and_nothing_that_is_saved() -> None:
    section, moved, saved = load_spec(YAMLS / "speed_75.yaml", []).optimizer, [], []
    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 16, 3, bias=False), nn.Flatten(), nn.LazyLinear(4))
        network(torch.ones(2, 3, 5, 5)).sum().backward()
        start = network[0].weight.detach().clone()
        optimizer = build_optimizer(network, section, dtype=dtype)
        assert isinstance(optimizer, Muon)
        assert optimizer.dtype is dtype
        optimizer.step()
        moved.append(network[0].weight.detach() - start)
        saved.append(optimizer.state_dict()["param_groups"])
    assert saved[0] == saved[1]
    assert not torch.equal(*moved)
    torch.testing.assert_close(moved[1], moved[0], atol=0.03 * moved[0].abs().max().item(), rtol=0.03)
