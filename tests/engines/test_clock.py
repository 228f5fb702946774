"""The clock: each second is counted in exactly one phase."""

from hypothesis import given
from hypothesis import strategies as st

from bench.engines.clock import PHASES, Clock


@given(st.lists(st.tuples(st.sampled_from([*PHASES, None]), st.floats(0.0, 100.0)), max_size=30))
def test_every_second_is_counted_once(steps: list[tuple[str | None, float]]) -> None:
    time = [0.0]
    clock = Clock(now=lambda: time[0])
    expected = dict.fromkeys(PHASES, 0.0)
    for phase, seconds in steps:
        clock.switch(phase)
        time[0] += seconds
        if phase is not None:
            expected[phase] += seconds
            assert abs(clock.elapsed(phase) - expected[phase]) < 1e-6
    found = clock.read()
    assert all(abs(found[phase] - expected[phase]) < 1e-6 for phase in PHASES)


def test_reading_does_not_stop_the_phase() -> None:
    time = [0.0]
    clock = Clock(now=lambda: time[0])
    clock.switch("train")
    time[0] = 1.0
    assert clock.read()["train"] == 1.0
    time[0] = 3.0
    assert clock.read()["train"] == 3.0
    assert clock.phase == "train"


def test_the_device_is_synchronised_at_every_edge() -> None:
    waits: list[str] = []
    clock = Clock(synchronise=lambda: waits.append("wait"))
    for phase in ("train", "eval", None):
        clock.switch(phase)
        clock.elapsed("train")
    assert len(waits) == 3
