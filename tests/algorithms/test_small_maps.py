"""Which convolutions are computed by products: found in the network, chosen once, kept in a checkpoint."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from composer.core import Event, State
from torch import Tensor, nn

from algorithms import small_maps
from algorithms.convolution_products import PASSES, Case, SmallMapConv2d, products
from algorithms.small_maps import SmallMaps, faster_passes, find_cases

LARGE, SMALL = Case(4, 8, (3, 3), (1, 1), (8, 8)), Case(8, 8, (3, 3), (1, 1), (4, 4))


class Model(nn.Module):
    """A network of two convolutions, whose argument is (images, labels)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.pool = nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2)
        self.conv1, self.conv2 = (nn.Conv2d(case.w_in, case.w_out, 3, padding=1, bias=False) for case in (LARGE, SMALL))

    def forward(self, batch: tuple[Tensor, Any]) -> Tensor:
        """Return maps of a quarter of the images' size."""
        return self.conv2(self.pool(self.conv1(self.pool(self.stem(batch[0])))))


def test_cases_are_found_with_the_sizes_of_their_maps() -> None:
    model = Model()
    batches = [(torch.zeros(2, 3, size, size), None) for size in (16, 8, 16)]
    # The maps of 8×8 pixels are too large.
    found = [SMALL, Case(4, 8, (3, 3), (1, 1), (4, 4)), Case(8, 8, (3, 3), (1, 1), (2, 2))]
    assert find_cases(model, batches) == found
    assert not model.conv1._forward_pre_hooks
    assert model.training


def started(chosen: dict[str, Sequence[str]]) -> tuple[Model, SmallMaps]:
    """Return a model and the algorithm, as at the start of a run that chooses so."""
    model, algorithm = Model(), SmallMaps([(3, 16, 16)], lambda cases: chosen)
    state = cast("State", SimpleNamespace(model=model))
    assert algorithm.match(Event.INIT, state)
    algorithm.apply(Event.INIT, state, cast("Any", None))
    return model, algorithm


def test_a_checkpoint_decides_what_products_compute() -> None:
    model, algorithm = started({str(SMALL): ["filters"]})
    assert [type(model.conv1), type(model.conv2)] == [nn.Conv2d, SmallMapConv2d]
    saved = algorithm.state_dict()
    assert saved == {"choices": {str(SMALL): ["filters"]}}
    other, resumed = started({str(LARGE): list(PASSES), str(SMALL): []})
    assert [type(other.conv1), type(other.conv2)] == [SmallMapConv2d, nn.Conv2d]
    resumed.load_state_dict(saved)
    assert [type(other.conv1), type(other.conv2)] == [nn.Conv2d, SmallMapConv2d]
    assert resumed.state_dict() == saved


def test_it_asks_about_the_cases_of_all_sizes_of_images() -> None:
    asked: list[Case] = []

    def choose(cases: Sequence[Case]) -> dict[str, list[str]]:
        asked.extend(cases)
        return {}

    algorithm = SmallMaps([(3, 12, 12), (3, 16, 16)], choose)
    algorithm.apply(Event.INIT, cast("State", SimpleNamespace(model=Model())), cast("Any", None))
    assert [case.size for case in asked] == [(6, 6), (3, 3), (4, 4)]


@pytest.mark.parametrize("slow", ["library", "products"])
def test_what_is_measured_faster_is_chosen(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock of our own, on which one of the two ways takes twice as long."""
    now = [0.0]

    def way(name: str) -> Any:
        def computed(*arguments: Any) -> Tensor:
            now[0] += 2 if name == slow else 1
            return products(*arguments)

        return computed

    for name in ("library", "products"):
        monkeypatch.setattr(small_maps, name, way(name))
    monkeypatch.setattr("time.thread_time", lambda: now[0])
    assert faster_passes(SMALL, 2, torch.float32) == (list(PASSES) if slow == "library" else [])


def test_measuring_changes_neither_threads_nor_random_numbers() -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    assert set(faster_passes(SMALL, 2, torch.float32)) <= set(PASSES)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
