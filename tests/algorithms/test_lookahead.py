"""Lookahead: pytorch-optimizer's, step by step; the end of a run is a pull as well, once."""

import copy
from types import SimpleNamespace

import pytest
import torch
from composer.core import Event
from pytorch_optimizer import Lookahead as Reference
from torch import nn

from algorithms.lookahead import Lookahead


def state(model: nn.Module, step: int) -> SimpleNamespace:
    """Return what the algorithm reads of Composer's state."""
    return SimpleNamespace(model=model, timestamp=SimpleNamespace(batch=step))


def run(lookahead: Lookahead, event: Event, model: nn.Module, step: int) -> None:
    """Let the algorithm run on an event, as Composer does."""
    now = state(model, step)
    if lookahead.match(event, now):
        lookahead.apply(event, now, None)


@pytest.mark.parametrize(("interval", "alpha"), [(1, 0.5), (5, 0.5), (3, 0.8), (4, 0.0)])
def test_it_is_pytorch_optimizers(interval: int, alpha: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double()
    other = copy.deepcopy(model)
    mine = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    theirs = Reference(torch.optim.SGD(other.parameters(), lr=0.01, momentum=0.9), k=interval, alpha=alpha)
    lookahead = Lookahead(interval, alpha)
    run(lookahead, Event.FIT_START, model, 0)
    for step in range(1, 13):
        batch = torch.randn(4, 5, dtype=torch.float64)
        for network, optimizer in ((model, mine), (other, theirs)):
            optimizer.zero_grad()
            network(batch).square().sum().backward()
            optimizer.step()
        run(lookahead, Event.BATCH_END, model, step)
        for one, two in zip(model.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(one, two)


@pytest.mark.parametrize(("steps", "value"), [(4, 2.0), (5, 2.5), (6, 3.0)])
def test_the_end_is_a_pull_unless_it_has_just_been_one(steps: int, value: float) -> None:
    """The weight begins at 0 and each step adds 1; the interval is 4, alpha one half."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    lookahead = Lookahead(4)
    run(lookahead, Event.FIT_START, model, 0)
    for step in range(1, steps + 1):
        with torch.no_grad():
            model.weight += 1
        run(lookahead, Event.BATCH_END, model, step)
    run(lookahead, Event.FIT_END, model, steps)
    assert model.weight.item() == value
