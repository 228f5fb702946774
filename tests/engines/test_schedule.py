"""Schedules while a run trains: Composer's own to the last bit, in every unit, and runs of given seconds."""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from composer.core import Time, Timestamp
from composer.optim import (
    ConstantScheduler,
    ConstantWithWarmupScheduler,
    CosineAnnealingScheduler,
    CosineAnnealingWithWarmupScheduler,
    LinearScheduler,
    LinearWithWarmupScheduler,
)

from algorithms.schedules import SCHEDULES
from bench.config import YAMLS, load_spec
from bench.engines.schedule import RunSchedule
from bench.spec import RunSpec

EPOCH, BATCH = 97, 128
COMPOSER: dict[str, Any] = {
    "cosine": (CosineAnnealingScheduler, CosineAnnealingWithWarmupScheduler, "alpha_f"),
    "linear": (LinearScheduler, LinearWithWarmupScheduler, "alpha_f"),
    "constant": (ConstantScheduler, ConstantWithWarmupScheduler, ""),
}


def spec_of(duration: str, schedule: str) -> RunSpec:
    """Return a spec of a duration and a schedule."""
    base = "base=recipes/light_200ep.yaml"
    changes = [f"max_duration={duration}", f"batch_size={BATCH}", "schedule.warmup=0ep", f"schedule={schedule}"]
    return load_spec(YAMLS / "resnet_20.yaml", [base, *changes])


def state_after(step: int, duration: str = "1ep", seconds: float = 0.0) -> Any:
    """Return what schedulers read of Composer's state after a number of steps, or of seconds of training."""
    now = Timestamp(batch=step, epoch=step // EPOCH, sample=step * BATCH, total_wct=timedelta(seconds=seconds))
    return SimpleNamespace(timestamp=now, max_duration=Time.from_timestring(duration), dataloader_len=Time(EPOCH, "ba"))


def composers(name: str, warmup: str, final: float) -> Any:
    """Return Composer's scheduler of a name."""
    plain, with_warmup, key = COMPOSER[name]
    settings = {key: final} if key else {}
    return plain(**settings) if warmup.startswith("0") else with_warmup(t_warmup=warmup, **settings)


@pytest.mark.parametrize("name", COMPOSER)
@pytest.mark.parametrize(
    ("duration", "warmup"),
    [
        ("7ep", "0ep"),
        ("7ep", "2ep"),
        ("7ep", "100ba"),
        ("531ba", "0ba"),
        ("531ba", "3ep"),
        ("531ba", "41ba"),
        ("70000sp", "0sp"),
        ("70000sp", "9001sp"),
        ("2ep", "3ep"),
    ],
)
@pytest.mark.parametrize("final", [0.0, 0.013])
def test_the_factors_are_composers_to_the_last_bit(name: str, duration: str, warmup: str, final: float) -> None:
    extra = "" if name == "constant" else f", final: {final}"
    ours = RunSchedule(spec_of(duration, f"{{name: {name}, warmup: {warmup}{extra}}}"), EPOCH)
    theirs = composers(name, warmup, final)
    end = {"ep": int(duration[:-2]) * EPOCH, "ba": 531, "sp": -(-70000 // BATCH)}[duration[-2:]]
    for step in range(end):
        state = state_after(step, duration)
        assert ours(state) == theirs(state), step


@pytest.mark.parametrize("warmup", ["0.25dur", "105ba", "2.1875ep"])
def test_the_factors_do_not_depend_on_how_a_warm_up_is_declared(warmup: str) -> None:
    """Of 8.75 epochs of 48 steps, 420 in all, a quarter are 105 steps or 2.1875 epochs."""
    found = RunSchedule(spec_of("8.75ep", f"{{name: linear, warmup: {warmup}}}"), epoch_batches=48)
    expected = [step / 105 if step < 105 else 1.0 - (step - 105) / 315 for step in range(421)]
    assert [found(state_after(step)) for step in range(421)] == pytest.approx(expected, abs=1e-15)


def test_a_fraction_of_an_epoch_ends_with_a_whole_step() -> None:
    """1.3 epochs of 97 steps are 126.1 steps: 127 are trained, and the schedule is over after them."""
    schedule = RunSchedule(spec_of("1.3ep", "{name: linear}"), EPOCH)
    assert schedule(state_after(126)) == pytest.approx(1 / 127, abs=1e-15)
    assert schedule(state_after(127)) == 0.0


EACH = {
    "cosine": "{name: cosine, warmup: 60sec}",
    "linear": "{name: linear, warmup: 0.1dur}",
    "constant": "{name: constant, warmup: 60sec}",
    "trapezoid": "{name: trapezoid, warmup: 60sec, cooldown: 120sec}",
    "rex": "{name: rex, warmup: 0.1dur}",
    "multistep": "{name: multistep, warmup: 60sec, milestones: [180sec, 0.6dur, 480sec], gamma: 0.2}",
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_run_of_seconds_follows_the_share_of_its_time(name: str) -> None:
    """The same shares of a run that is declared in steps give the same factors."""
    timed = RunSchedule(spec_of("600sec", EACH[name]), EPOCH)
    counted = RunSchedule(spec_of("600ba", EACH[name].replace("sec", "ba")), EPOCH)
    for point in range(0, 660, 4):
        assert timed(state_after(3, seconds=float(point))) == pytest.approx(counted(state_after(point)), abs=1e-12)


def test_the_most_used_public_recipe(tmp_path: Path) -> None:
    """A fifth of the learning rate at epochs 60, 120 and 160 of 200, after one epoch of warm-up."""
    schedule = RunSchedule(load_spec(YAMLS / "resnet_20.yaml", ["base=recipes/multistep_200ep.yaml"]), 390)
    steps = {0: 0.0, 195: 0.5, 390: 1.0, 60 * 390 - 1: 1.0, 60 * 390: 0.2, 120 * 390: 0.04, 160 * 390: 0.008}
    assert [schedule(state_after(step)) for step in steps] == pytest.approx(list(steps.values()), abs=1e-15)
