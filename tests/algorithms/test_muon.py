"""Muon: its orthogonalisation against the plain iteration, its groups against torch's own optimizers."""

import copy
from typing import Any

import pytest
import torch
from pytorch_optimizer import Muon as ReferenceMuon
from pytorch_optimizer.optimizer.shampoo_utils import zero_power_via_newton_schulz_5
from torch import Tensor, nn, optim

from algorithms.muon import QUINTIC, Muon, hidden_matrices, orthogonalise


def newton_schulz(matrix: Tensor, steps: int) -> Tensor:
    """Take the steps one by one on the whole matrix, as the paper writes them."""
    a, b, c = QUINTIC
    x = matrix / matrix.norm()
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (8, 8), (1, 7), (64, 576)])
@pytest.mark.parametrize("steps", [0, 1, 3, 5])
def test_steps_on_the_gram_matrix_are_steps_on_the_whole(shape: tuple[int, int], steps: int) -> None:
    matrices = torch.randn(3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([newton_schulz(matrix, steps) for matrix in matrices])
    torch.testing.assert_close(orthogonalise(matrices, steps), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (64, 576)])
def test_the_orthogonalisation_is_that_of_pytorch_optimizer(shape: tuple[int, int]) -> None:
    matrices = torch.randn(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    theirs = zero_power_via_newton_schulz_5(matrices, num_steps=5, dtype=torch.float64)
    torch.testing.assert_close(orthogonalise(matrices, 5), theirs, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("nesterov", [True, False])
def test_steps_are_those_of_pytorch_optimizer(nesterov: bool) -> None:
    """Its iteration is in bfloat16 and its momentum an average: the same direction, to bfloat16's precision.

    With its adjusted learning rate it scales by √(rows / columns) where that is above 1: not for these wide ones.
    """
    start = torch.randn(16, 40, generator=torch.Generator().manual_seed(4))
    ours, theirs, other = (nn.Parameter(tensor) for tensor in (start.clone(), start.clone(), torch.zeros(1)))
    settings: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "nesterov": nesterov}
    mine = Muon([ours], optim.SGD([other], lr=1.0), steps=5, rescale=False, **settings)
    reference = ReferenceMuon([{"params": [theirs], "use_muon": True}], use_adjusted_lr=True, **settings)
    for step in range(4):
        gradient = torch.randn(16, 40, generator=torch.Generator().manual_seed(step))
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        reference.step()
    torch.testing.assert_close(ours - start, theirs - start, atol=0.01, rtol=0.05)


def test_float32_is_near_float64() -> None:
    matrix = torch.randn(1, 256, 2304, generator=torch.Generator().manual_seed(1))
    double = orthogonalise(matrix.double(), 5)
    assert (orthogonalise(matrix, 5).double() - double).abs().max() < 1e-3 * double.abs().max()


@pytest.mark.parametrize("rank", [10, 64])
@pytest.mark.parametrize("steps", [1, 3, 4, 5])
def test_bfloat16_is_as_near_as_steps_in_bfloat16_on_the_whole(rank: int, steps: int) -> None:
    """Of a matrix of full rank, and of one that momentum resembles more: a few directions and noise."""
    generator = torch.Generator().manual_seed(5)
    few = torch.randn(64, rank, generator=generator) @ torch.randn(rank, 576, generator=generator)
    matrix = few + 0.3 * torch.randn(64, 576, generator=generator)
    exact = newton_schulz(matrix.double(), steps)
    ours = orthogonalise(matrix[None], steps, torch.bfloat16)[0]
    theirs = newton_schulz(matrix.bfloat16(), steps)
    assert ours.dtype == torch.float32
    errors = [((found.double() - exact).norm() / exact.norm()).item() for found in (ours, theirs)]
    assert errors[0] < 1.5 * errors[1] < 0.1


def test_singular_values_come_near_to_one() -> None:
    matrix = torch.randn(1, 16, 144, generator=torch.Generator().manual_seed(2))
    values = torch.linalg.svdvals(orthogonalise(matrix, 5)[0])
    assert 0.6 < values.min() <= values.max() < 1.3


def network() -> nn.Sequential:
    torch.manual_seed(0)
    depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), depthwise, nn.Conv2d(8, 8, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 8), nn.Linear(8, 4),
    )  # fmt: skip


def test_filters_and_hidden_matrices_are_chosen_and_the_classifier_is_not() -> None:
    model = network()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert [names[id(p)] for p in hidden_matrices(model)] == ["0.weight", "3.weight", "7.weight"]
    model[0].weight.requires_grad_(False)
    assert [names[id(p)] for p in hidden_matrices(model)] == ["3.weight", "7.weight"]


def rest_of(model: nn.Module, matrices: list[nn.Parameter]) -> list[nn.Parameter]:
    chosen = {id(parameter) for parameter in matrices}
    return [parameter for parameter in model.parameters() if id(parameter) not in chosen]


def make(model: nn.Module, kind: str) -> Muon:
    matrices = hidden_matrices(model)
    rest = rest_of(model, matrices)
    return Muon(matrices, torch_optimizer(rest, kind), lr=0.1)


def torch_optimizer(parameters: list[nn.Parameter], kind: str) -> optim.Optimizer:
    if kind == "sgd":
        return optim.SGD(parameters, lr=0.3, momentum=0.9, nesterov=True, weight_decay=1e-2)
    return optim.AdamW(parameters, lr=1e-2, weight_decay=1e-2)


def train(model: nn.Module, optimizer: optim.Optimizer, steps: int, first: int = 0) -> None:
    for step in range(first, first + steps):
        torch.manual_seed(step)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(torch.randn(6, 3, 8, 8)), torch.arange(6) % 4).backward()
        optimizer.step()


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_the_rest_moves_as_torchs_optimizer_moves_it(kind: str) -> None:
    ours, theirs = network(), network()
    for model in (ours, theirs):
        for parameter in hidden_matrices(model):
            parameter.requires_grad_(False)
    free = [parameter for parameter in ours.parameters() if parameter.requires_grad]
    frozen = [parameter for parameter in ours.parameters() if not parameter.requires_grad]
    train(ours, Muon(frozen, torch_optimizer(free, kind), lr=0.1), 4)
    train(theirs, torch_optimizer([p for p in theirs.parameters() if p.requires_grad], kind), 4)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


def test_one_step_by_hand() -> None:
    weight = nn.Parameter(torch.tensor([[3.0, 0.0, 4.0], [0.0, 2.0, 0.0]]))
    start = weight.detach().clone()
    gradient = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0]])
    other = nn.Parameter(torch.zeros(1))
    optimizer = Muon([weight], optim.SGD([other], lr=1.0), lr=0.5, momentum=0.6, steps=3, weight_decay=0.1)
    weight.grad = gradient.clone()
    optimizer.step()
    rescaled = start * 2**0.5 / start.norm()
    expected = rescaled * (1 - 0.5 * 0.1) - 0.5 * newton_schulz(gradient * 1.6, 3)
    torch.testing.assert_close(weight.detach(), expected)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_a_saved_state_goes_on_bit_for_bit(kind: str) -> None:
    straight, first = network(), network()
    train(straight, make(straight, kind), 6)
    optimizer = make(first, kind)
    train(first, optimizer, 3)
    second = copy.deepcopy(first)
    resumed = make(second, kind)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(second, resumed, 3, first=3)
    for one, other in zip(straight.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_schedule_moves_every_group() -> None:
    model = network()
    optimizer = make(model, "sgd")
    schedule = optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    train(model, optimizer, 1)
    schedule.step()
    assert [group["lr"] for group in optimizer.rest.param_groups] == [0.15]
    assert optimizer.param_groups[0]["lr"] == 0.05


def test_a_network_without_filters_is_refused() -> None:
    with pytest.raises(ValueError, match="this network has none"):
        Muon([], optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0), lr=0.1)
