"""When two models are the same network and when not."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from timm.layers import DropPath
from torch import Tensor, nn

from bench.zoo.build import build_model
from bench.zoo.counting.fingerprint import fingerprint
from bench.zoo.counting.golden import read_golden
from tests.zoo.checks import in_layout


class Net(nn.Module):
    """A function of the image and of named parts, for graphs that a Sequential cannot show."""

    def __init__(self, function: Callable[..., Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


class Masked(nn.Module):
    """Multiply by a constant that is a buffer."""

    mask: Tensor

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", values)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.mask


def conv(**changes: int | bool) -> nn.Module:
    options = {"out_channels": 6, "kernel_size": 3, "padding": 1, **changes}
    return nn.Conv2d(3, **options)  # type: ignore[arg-type]


def second_branch_first(net: Any, x: Tensor) -> Tensor:
    right = net.second(x).tanh()
    return net.first(x) - right


DIFFERENT: dict[str, Callable[[], nn.Module]] = {
    "stride": lambda: conv(stride=2),
    "kernel": lambda: conv(kernel_size=5, padding=2),
    "padding": lambda: conv(padding=0),
    "dilation": lambda: conv(dilation=2, padding=2),
    "groups": lambda: conv(groups=3),
    "bias": lambda: conv(bias=False),
    "width": lambda: conv(out_channels=12),
    "one more operation": lambda: nn.Sequential(conv(), nn.ReLU()),
    "another activation": lambda: nn.Sequential(conv(), nn.GELU()),
    "approximate activation": lambda: nn.Sequential(conv(), nn.GELU(approximate="tanh")),
    "norm": lambda: nn.Sequential(conv(), nn.BatchNorm2d(6)),
    "norm's eps": lambda: nn.Sequential(conv(), nn.BatchNorm2d(6, eps=1e-3)),
    "norm's momentum": lambda: nn.Sequential(conv(), nn.BatchNorm2d(6, momentum=0.3)),
    "dropout": lambda: nn.Sequential(conv(), nn.Dropout(0.1)),
    "dropout's rate": lambda: nn.Sequential(conv(), nn.Dropout(0.2)),
    "drop path": lambda: nn.Sequential(conv(), DropPath(0.1)),
    "drop path's rate": lambda: nn.Sequential(conv(), DropPath(0.2)),
    "drop path unscaled": lambda: nn.Sequential(conv(), DropPath(0.2, scale_by_keep=False)),
    "frozen weight": lambda: conv().requires_grad_(False),
    "an unused parameter": lambda: Net(lambda net, x: net.used(x), used=conv(), unused=nn.Linear(2, 2)),
    "a constant": lambda: nn.Sequential(conv(), Masked(torch.ones(1, 6, 1, 1))),
    "a constant's value": lambda: nn.Sequential(conv(), Masked(torch.zeros(1, 6, 1, 1))),
}


def test_all_differences_are_seen() -> None:
    found = {name: fingerprint(make()) for name, make in DIFFERENT.items()}
    assert len({fingerprint(conv()), *found.values()}) == 1 + len(DIFFERENT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: conv(), lambda: nn.Sequential(conv(), nn.Identity())),
        (lambda: conv(), lambda: nn.Sequential(nn.Sequential(conv()), nn.Dropout(0.0), DropPath(0.0))),
        (lambda: nn.Sequential(conv(), nn.ReLU()), lambda: nn.Sequential(conv(), nn.ReLU(inplace=True))),
        (lambda: Net(lambda n, x: n.a(x).relu(), a=conv()), lambda: nn.Sequential(conv(), nn.ReLU())),
        (lambda: Net(lambda n, x: n.a(x.clone()).detach(), a=conv()), conv),
        (
            lambda: Net(lambda n, x: n.a(x) - n.b(x).tanh(), a=conv(), b=conv()),
            lambda: Net(second_branch_first, first=conv(), second=conv()),
        ),
    ],
    ids=["identity", "nesting and rates of 0", "in place", "functional", "copies", "order of branches and names"],
)
def test_same_computation(one: Callable[[], nn.Module], other: Callable[[], nn.Module]) -> None:
    assert fingerprint(one()) == fingerprint(other())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda n, x: n.a(x) - n.b(x).tanh(), lambda n, x: n.a(x).tanh() - n.b(x)),
        (lambda n, x: n.b(n.a(x)), lambda n, x: n.a(n.a(x))),
        (lambda n, x: n.b(n.a(n.b(n.a(x)))), lambda n, x: n.a(n.b(n.b(n.a(x))))),
        (lambda n, x: n.a(x) + x, lambda n, x: n.a(x) + n.a(x)),
        (lambda n, x: n.a(x) * 2.0, lambda n, x: n.a(x) * 3.0),
        (lambda n, x: n.a(x).split((1, 2), 1)[0], lambda n, x: n.a(x).split((2, 1), 1)[1]),
        (lambda n, x: n.a(x)[:, :2], lambda n, x: n.a(x)[:, 1:]),
        (lambda n, x: n.a(x).transpose(2, 3), lambda n, x: n.a(x)),
    ],
    ids=[
        "which side",
        "shared weights",
        "order of shared weights",
        "where an edge comes from",
        "a number",
        "which output",
        "which slice",
        "transposed",
    ],
)
def test_connections_count(one: Callable[..., Tensor], other: Callable[..., Tensor]) -> None:
    def net(function: Callable[..., Tensor]) -> nn.Module:
        return Net(function, a=nn.Conv2d(3, 3, 1), b=nn.Conv2d(3, 3, 1))

    assert fingerprint(net(one)) != fingerprint(net(other))


def write_through_a_view(net: Any, x: Tensor) -> Tensor:
    """Change the half of a map that a view shows, then read the whole map."""
    y = net.a(x)
    y[:, :1].mul_(2.0)
    return y


def write_to_a_copy(net: Any, x: Tensor) -> Tensor:
    """The same calls on a copy, whose source stays as it was."""
    y = net.a(x)
    y[:, :1].clone().mul_(2.0)
    return y


def test_writes_through_views_are_seen() -> None:
    through, copied = Net(write_through_a_view, a=conv()), Net(write_to_a_copy, a=conv())
    assert fingerprint(through) != fingerprint(copied)


def test_training_does_not_change_it() -> None:
    """Other weights and other running statistics are the same network."""
    model = build_model("eca_resnet_20", 100)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.randn(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    assert fingerprint(model) == read_golden()["eca_resnet_20"].fingerprint


@pytest.mark.parametrize("name", ["resnet_20", "coatnet_cifar_opt", "lsknet_tiny", "mlp_mixer_tiny"])
def test_mode_layout_and_type_do_not_change_it(name: str) -> None:
    model, wanted = build_model(name, 100), read_golden()[name].fingerprint
    assert fingerprint(model.eval()) == wanted
    assert fingerprint(in_layout(model, torch.channels_last)) == wanted
    assert fingerprint(model.to(torch.bfloat16)) == wanted


def test_number_of_classes_and_image_size_change_it() -> None:
    model = build_model("resnet_20", 10)
    assert fingerprint(model) != read_golden()["resnet_20"].fingerprint
    assert fingerprint(model) != fingerprint(model, (3, 64, 64))


def test_model_and_random_state_stay_as_they_were() -> None:
    model = build_model("improved_resnet20_convnext", 10).eval()
    state, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    fingerprint(model)
    assert torch.equal(torch.get_rng_state(), random)
    assert not any(module.training for module in model.modules())
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_device_does_not_change_it() -> None:
    assert fingerprint(build_model("resnet_20", 100).cuda()) == read_golden()["resnet_20"].fingerprint
