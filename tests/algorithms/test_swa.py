"""Stochastic weight averaging: torch's own mean, taken at the declared points, and put in place once."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from composer.core import Event, Time, Timestamp
from torch import nn
from torch.optim.swa_utils import AveragedModel

from algorithms.swa import SWA, update_mean
from bench.algorithm_settings import validate_algorithms
from bench.util.errors import BadInput


@pytest.mark.parametrize("number", [1, 2, 7])
def test_the_mean_is_torchs_own(number: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3))
    reference = AveragedModel(model)
    reference.update_parameters(model)
    mean = [weight.detach().clone() for weight in model.parameters()]
    for count in range(1, number):
        for weight in model.parameters():
            nn.init.normal_(weight)
        reference.update_parameters(model)
        update_mean(mean, list(model.parameters()), count)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(mean, reference.module.parameters(), strict=True))


class Run:
    """A run of 12 steps, four an epoch, whose single weight is the number of its step."""

    def __init__(self, length: int = 12) -> None:
        self.model, self.length = nn.Linear(1, 1, bias=False), length
        self.events: list[tuple[Event, int]] = []
        for step in range(1, length + 1):
            self.events += [(Event.BATCH_END, step), *([(Event.EPOCH_END, step)] if step % 4 == 0 else [])]
        self.events += [(Event.FIT_END, length)]

    def state(self, step: int) -> Any:
        stamp = Timestamp(epoch=step // 4, batch=step, sample=8 * step)
        share = Time.from_timestring(f"{step / self.length}dur")
        return SimpleNamespace(model=self.model, timestamp=stamp, get_elapsed_duration=lambda: share)

    def train(self, algorithm: SWA, first: int = 0, last: int | None = None) -> dict[int, float]:
        """Return the weight after each step from the event `first` to before `last`."""
        weights = {}
        for event, step in self.events[first:last]:
            if event == Event.BATCH_END:
                nn.init.constant_(self.model.weight, step)
            state = self.state(step)
            if algorithm.match(event, state):
                algorithm.apply(event, state, None)
            weights[step] = self.model.weight.item()
        return weights


@pytest.mark.parametrize(
    ("settings", "length", "step", "value"),
    [
        ({"swa_start": "0.5dur"}, 12, 12, (8 + 12) / 2),
        ({"swa_start": "0.1dur", "swa_end": "0.5dur"}, 12, 8, (4 + 8) / 2),
        ({"swa_start": "0.5dur", "update_interval": "1ba"}, 12, 12, (6 + 7 + 8 + 9 + 10 + 11 + 12) / 7),
        ({"swa_start": "0.5dur", "update_interval": "3ba"}, 12, 12, (6 + 9 + 12) / 3),
        ({"swa_start": "1ep", "swa_end": "2ep"}, 12, 8, (4 + 8) / 2),
        ({"swa_start": "9ba", "swa_end": "11ba", "update_interval": "1ba"}, 12, 11, (9 + 10 + 11) / 3),
        # Ends in mid-epoch: what was averaged by then is put in place at the very end.
        ({"swa_start": "0.1dur"}, 10, 10, (4 + 8) / 2),
    ],
)
def test_the_average_is_put_in_place_at_its_end(settings: dict[str, Any], length: int, step: int, value: float) -> None:
    swa, run = SWA(**settings), Run(length)
    weights = run.train(swa)
    expected = {number: float(number) for number in range(1, length + 1)} | {step: value}
    assert weights == pytest.approx(expected)
    assert swa.averaged


def test_it_goes_on_from_any_state() -> None:
    settings: dict[str, Any] = {"swa_start": "0.3dur", "update_interval": "2ba"}
    whole = Run().train(SWA(**settings))
    for cut in range(len(Run().events)):
        first, second, run = SWA(**settings), SWA(**settings), Run()
        before = run.train(first, last=cut)
        second.load_state_dict(first.state_dict())
        assert before | run.train(second, first=cut) == whole


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("swa", {"swa_start": "0.9dur", "swa_end": "0.5dur"}, "must come before"),
        ("swa", {"swa_start": "3ep"}, "one unit"),
        ("swa", {"update_interval": "0.1dur"}, "update_interval"),
        ("ema", {"half_life": "10ba", "update_interval": "1ep"}, "one unit"),
        ("ema", {"half_life": "0ba"}, "half_life"),
        ("ema", {"ema_start": "1.5dur"}, "ema_start"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(name: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        validate_algorithms({name: settings})
