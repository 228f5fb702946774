"""One quantity that cannot be counted leaves the others, and is named with its reason."""

import copy

import pytest
import torch
from torch import Tensor, nn

from algorithms.ghost_batchnorm import use_ghost_batches
from bench.zoo.build import build_model
from bench.zoo.counting.cost import CountError, count_cost, smallest_batch
from bench.zoo.counting.describe import describe_network
from bench.zoo.counting.fingerprint import fingerprint
from bench.zoo.counting.golden import read_golden
from tests.zoo.counting.test_cost import Baddbmm, Fourier

IMAGE = (3, 32, 32)


class Picky(nn.Module):
    """A convolution that refuses batches of fewer images than `least`, in the modes where it is picky."""

    def __init__(self, least: int, modes: tuple[bool, ...] = (True, False)) -> None:
        super().__init__()
        self.conv, self.least, self.modes = nn.Conv2d(3, 8, 3, padding=1), least, modes

    def forward(self, images: Tensor) -> Tensor:
        if len(images) < self.least and self.training in self.modes:
            raise ValueError(f"at least {self.least} images, not {len(images)}")
        return self.conv(images)


@pytest.mark.parametrize("least", [1, 2, 3, 5, 31, 32, 33, 1000])
@pytest.mark.parametrize("first", [1, 2])
def test_the_smallest_batch_is_found(least: int, first: int) -> None:
    asked: list[int] = []

    def accepts(size: int) -> bool:
        asked.append(size)
        return size >= least

    assert smallest_batch(accepts, first) == max(first, least)
    assert len(asked) <= 20


def test_a_network_that_takes_no_batch_is_told() -> None:
    assert smallest_batch(lambda size: False, 1) is None
    with pytest.raises(CountError, match="takes no batch of 1 to 1024 images: at least 9999 images, not 1"):
        count_cost(Picky(9999))


@pytest.mark.parametrize("least", [2, 7, 32])
def test_a_network_that_refuses_one_image_is_counted_by_the_image(least: int) -> None:
    wanted, counted = describe_network(Picky(1), IMAGE), describe_network(Picky(least), IMAGE)
    assert counted["macs"] == 27 * 8 * 32 * 32
    assert counted | {"fingerprint": ""} == wanted | {"fingerprint": ""}


def test_ghost_batches_cost_what_batch_normalization_costs() -> None:
    """Parameters, MACs and activations are those of the plain network; it is another network all the same."""
    golden, prints = read_golden()["resnet_20"], {read_golden()["resnet_20"].fingerprint}
    for ghost in (17, 32):
        model = build_model("resnet_20", 100)
        use_ghost_batches(model, ghost)
        network = describe_network(model, IMAGE)
        assert "uncounted_because" not in network
        assert (network["params"], network["macs"]) == (golden.params, golden.macs)
        assert network["activations"] == golden.activations
        prints.add(network["fingerprint"])
    assert len(prints) == 3


def test_the_zoos_own_networks_are_described_as_their_golden_figures() -> None:
    golden = read_golden()["eca_resnet_20"]
    network = describe_network(build_model("eca_resnet_20", 100), IMAGE)
    assert "uncounted_because" not in network
    for quantity in ("params", "macs", "ptflops_macs", "activations", "fingerprint"):
        assert network[quantity] == getattr(golden, quantity)


@pytest.mark.parametrize("model", [Baddbmm((3, 32, 32)), Fourier()], ids=["disagreement", "unknown product"])
def test_macs_that_cannot_be_trusted_leave_the_rest(model: nn.Module) -> None:
    network = describe_network(model, IMAGE)
    assert network["macs"] is None
    assert network["params"] == sum(p.numel() for p in model.parameters())
    assert network["activations"] is not None
    assert network["fingerprint"] == fingerprint(model)
    assert list(network["uncounted_because"]) == ["macs"]
    assert "aten." in network["uncounted_because"]["macs"]


def test_a_network_that_fails_in_training_mode_alone_has_no_fingerprint_alone() -> None:
    network = describe_network(Picky(9999, modes=(True,)), IMAGE)
    assert network["macs"] == 27 * 8 * 32 * 32
    assert network["fingerprint"] is None
    assert network["uncounted_because"] == {
        "fingerprint": "the network takes no batch of 2 to 1024 images: at least 9999 images, not 2"
    }


def test_a_network_that_runs_on_nothing_still_has_parameters() -> None:
    network = describe_network(nn.Linear(5, 5), IMAGE)
    assert network["params"] == 30
    assert [network[key] for key in ("macs", "activations", "fingerprint")] == [None] * 3
    assert set(network["uncounted_because"]) == {"macs", "activations", "fingerprint"}


def test_counting_changes_nothing() -> None:
    model = build_model("resnet_20", 10).train()
    use_ghost_batches(model, 4)
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    describe_network(model, IMAGE)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
