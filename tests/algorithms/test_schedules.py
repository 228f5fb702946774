"""Schedules as pure functions: against torch's, by hand, and what holds for all of them."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from algorithms.schedules import SCHEDULES, lr_factor
from bench.spec import SCHEDULE_SECTIONS, CosineSection, RunSpec

STEPS = 40
NONE = Fraction(0)
# Settings of each schedule, every length a share of the run.
SETTINGS: dict[str, dict[str, Any]] = {
    "cosine": {"final": 0.1},
    "linear": {"final": 0.1},
    "constant": {},
    "trapezoid": {"cooldown": Fraction(1, 5), "final": 0.1},
    "rex": {"final": 0.1},
    "multistep": {"milestones": [Fraction(3, 10), Fraction(6, 10), Fraction(8, 10)], "gamma": 0.2},
}


def factors(name: str, warmup: Fraction = NONE, **settings: Any) -> list[float]:
    """Return the factor at each of 40 steps, and after the last."""
    return [lr_factor(name, Fraction(step, STEPS), warmup=warmup, **settings) for step in range(STEPS + 1)]


def torch_factors(make: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]) -> list[float]:
    """Return what torch's scheduler makes of a learning rate of 1 at the same steps."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    found = []
    for _ in range(STEPS + 1):
        found.append(float(scheduler.get_last_lr()[0]))
        optimizer.step()
        scheduler.step()
    return found


def test_the_dict_and_the_schema_name_the_same_schedules() -> None:
    assert list(SCHEDULES) == list(SCHEDULE_SECTIONS) == list(SETTINGS)
    for name, section in SCHEDULE_SECTIONS.items():
        assert set(section.model_fields) == {"name", "warmup", *SETTINGS[name]}
    assert RunSpec.model_fields["schedule"].default == CosineSection()


def test_cosine_is_torchs() -> None:
    expected = torch_factors(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=STEPS, eta_min=0.1))
    assert factors("cosine", final=0.1) == pytest.approx(expected, abs=1e-12)


def test_linear_is_torchs() -> None:
    expected = torch_factors(lambda o: lr_scheduler.LinearLR(o, 1.0, 0.1, total_iters=STEPS))
    assert factors("linear", final=0.1) == pytest.approx(expected, abs=1e-12)


def test_multistep_is_torchs() -> None:
    expected = torch_factors(lambda o: lr_scheduler.MultiStepLR(o, [12, 24, 32], gamma=0.2))
    assert factors("multistep", **SETTINGS["multistep"]) == pytest.approx(expected, abs=1e-12)


def test_warm_up_and_cosine_are_torchs_one_after_the_other() -> None:
    def make(optimizer: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
        parts = [
            lr_scheduler.LinearLR(optimizer, 1e-12, 1.0, total_iters=8),
            lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS - 8),
        ]
        return lr_scheduler.SequentialLR(optimizer, parts, milestones=[8])

    assert factors("cosine", Fraction(1, 5), final=0.0) == pytest.approx(torch_factors(make), abs=1e-9)


def test_trapezoid_is_torchs_constant_and_then_linear() -> None:
    def make(optimizer: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
        parts = [
            lr_scheduler.ConstantLR(optimizer, 1.0, total_iters=32),
            lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=8),
        ]
        return lr_scheduler.SequentialLR(optimizer, parts, milestones=[32])

    assert factors("trapezoid", **SETTINGS["trapezoid"]) == pytest.approx(torch_factors(make), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "progress", "settings", "factor"),
    [
        # (1 - p) / (1/2 + (1 - p)/2) at 1/4, 1/2 and 3/4: 6/7, 2/3, 2/5.
        ("rex", Fraction(1, 4), {"final": 0.0}, 6 / 7),
        ("rex", Fraction(1, 2), {"final": 0.0}, 2 / 3),
        ("rex", Fraction(3, 4), {"final": 0.0}, 2 / 5),
        ("rex", Fraction(1, 2), {"final": 0.1}, 0.1 + 0.9 * 2 / 3),
        ("cosine", Fraction(1, 2), {"final": 0.5}, 0.75),
        ("linear", Fraction(3, 4), {"final": 0.2}, 0.4),
        ("trapezoid", Fraction(9, 10), {"cooldown": Fraction(1, 5), "final": 0.0}, 0.5),
        ("trapezoid", Fraction(8, 10), {"cooldown": Fraction(1, 5), "final": 0.0}, 1.0),
        ("multistep", Fraction(3, 10), SETTINGS["multistep"], 0.2),
        ("multistep", Fraction(9, 10), SETTINGS["multistep"], 0.008),
    ],
)
def test_by_hand(name: str, progress: Fraction, settings: dict[str, Any], factor: float) -> None:
    assert lr_factor(name, progress, warmup=NONE, **settings) == pytest.approx(factor, abs=1e-15)


def test_the_milestone_itself_is_exact() -> None:
    """Of 200 epochs of 390 steps, the step that begins epoch 61 is the first with a fifth of the learning rate."""
    milestones = [Fraction(epoch, 200) for epoch in (60, 120, 160)]
    for epoch, before, now in ((60, 1.0, 0.2), (120, 0.2, 0.04), (160, 0.04, 0.008)):
        for step, factor in ((epoch * 390 - 1, before), (epoch * 390, now)):
            found = lr_factor("multistep", Fraction(step, 78_000), warmup=NONE, milestones=milestones, gamma=0.2)
            assert found == pytest.approx(factor, abs=1e-15)


shares = st.fractions(0, 1, max_denominator=1000)


@pytest.mark.parametrize("name", SCHEDULES)
@given(progress=shares, warmup=shares)
def test_factors_are_in_range_and_begin_and_end_where_they_should(
    name: str, progress: Fraction, warmup: Fraction
) -> None:
    settings = SETTINGS[name]
    assert 0.0 <= lr_factor(name, progress, warmup=warmup, **settings) <= 1.0
    if 0 < warmup < Fraction(3, 10):
        assert lr_factor(name, NONE, warmup=warmup, **settings) == 0.0
        assert lr_factor(name, warmup / 2, warmup=warmup, **settings) == 0.5
        assert lr_factor(name, warmup, warmup=warmup, **settings) == 1.0
        end = {"constant": 1.0, "multistep": 0.2**3}.get(name, 0.1)
        assert lr_factor(name, Fraction(1), warmup=warmup, **settings) == pytest.approx(end, abs=1e-15)


@pytest.mark.parametrize("name", SCHEDULES)
@given(one=shares, other=shares, warmup=shares)
def test_after_the_warm_up_no_factor_rises(name: str, one: Fraction, other: Fraction, warmup: Fraction) -> None:
    early, late = sorted((max(one, warmup), max(other, warmup)))
    first, second = (lr_factor(name, point, warmup=warmup, **SETTINGS[name]) for point in (early, late))
    assert first >= second - 1e-15
