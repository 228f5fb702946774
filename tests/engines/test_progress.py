"""How far a run is: the pure functions, and the callback with a clock and a console of its own."""

import io
import itertools
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.config import YAMLS, load_spec
from bench.engines.callbacks import progress
from bench.engines.callbacks.progress import FIRST_ESTIMATE, Progress
from bench.engines.clock import Clock
from bench.engines.progress import (
    Mark,
    RunLength,
    evaluations_left,
    run_length,
    seconds_a_step,
    seconds_left,
    share_done,
    step_line,
)
from bench.util.console import Console


def length_of(*overrides: str, train: int = 50_000, evaluation: int = 10_000) -> RunLength:
    spec = load_spec(YAMLS.parent / "tests" / "small.yaml", ["batch_size=128", "schedule.warmup=0ep", *overrides])
    return run_length(spec, train, evaluation)


@pytest.mark.parametrize(
    ("duration", "steps", "seconds"),
    [("3ep", 1170, None), ("1.5ep", 585, None), ("20ba", 20, None), ("1000sp", 8, None), ("600sec", None, 600)],
)
def test_every_unit_of_duration_has_a_length(duration: str, steps: int | None, seconds: int | None) -> None:
    length = length_of(f"max_duration={duration}")
    assert (length.steps, length.seconds, length.epoch_steps) == (steps, seconds, 390)


@given(st.integers(1, 300), st.integers(1, 80), st.data())
def test_the_evaluations_left_are_those_that_will_happen(steps: int, every: int, data: st.DataObject) -> None:
    """One at each multiple of the interval before the end, and one at the end."""
    step = data.draw(st.integers(0, steps - 1))
    happen = [at for at in range(step + 1, steps) if at % every == 0]
    assert evaluations_left(step, steps, Fraction(every)) == len(happen) + 1


def test_an_interval_in_seconds_leaves_the_last_evaluation() -> None:
    assert evaluations_left(3, 10, None) == 1


@given(st.integers(1, 1000), st.floats(0.001, 100), st.floats(0.0, 100))
def test_the_time_left_is_exact_for_a_run_of_constant_speed(steps: int, step: float, evaluation: float) -> None:
    """Whatever has been done: steps and evaluations cost what they cost."""
    length = RunLength(steps, None, 100, 32, Fraction(7), 1000)
    for done in {0, steps // 2, steps - 1}:
        marks = Mark(0, 5.0, 0.0), Mark(done, 5.0 + done * step, 0.0)
        left = (steps - done) * step + evaluation * evaluations_left(done, steps, Fraction(7))
        assert seconds_left(length, marks[1], step, evaluation) == pytest.approx(left)
        if done:
            assert seconds_a_step(*marks) == pytest.approx(step)


def test_a_run_of_a_given_time_has_the_rest_of_it_left() -> None:
    length = length_of("max_duration=600sec", "eval_interval=100ba")
    # 500 s are 250 steps of 2 s: evaluated after steps 100 and 200 and at the end.
    assert seconds_left(length, Mark(50, 100.0, 4.0), 2.0, 10.0) == pytest.approx(500 + 30)
    assert seconds_left(length, Mark(300, 700.0, 4.0), 2.0, 10.0) == pytest.approx(10)
    assert share_done(length, Mark(50, 150.0, 4.0)) == 0.25
    assert share_done(length, Mark(300, 700.0, 4.0)) == 1.0


def test_before_the_first_evaluation_one_is_taken_to_cost_a_third_of_training() -> None:
    length = length_of("max_duration=10ba", train=1280, evaluation=384)
    assert seconds_left(length, Mark(9, 9.0, 4.0), 1.0) == pytest.approx(1 + 1)


def test_a_line_says_step_speed_loss_and_time_left() -> None:
    length = length_of("max_duration=1170ba", "eval_interval=1170ba")
    line = step_line(length, Mark(20, 10.0, 5.0), Mark(120, 60.0, 3.9123), 15.0)
    assert line == "step 120 of 1,170 | 256 images/s | loss 3.912 | 9 min left"
    assert step_line(length, Mark(0, 0.0, 0.0), Mark(0, 0.0, 4.0)) == "step 0 of 1,170 | loss 4.000"


class State:
    """What the callback reads of Composer's state."""

    def __init__(self, batch: int) -> None:
        self.timestamp = SimpleNamespace(batch=batch)
        self.dataloader_len = 5
        self.total_loss_dict = {"loss/train/total": 4.0}


class Run:
    """A callback whose clock and time are set by hand, with what it printed."""

    def __init__(
        self, length: RunLength, monkeypatch: pytest.MonkeyPatch, batch: int = 0, terminal: bool = False
    ) -> None:
        # No thread: a test looks when it wants to.
        monkeypatch.setattr(progress.threading.Thread, "start", lambda thread: None)
        self.time = 0.0
        self.state: Any = State(batch)
        self.clock = Clock(now=lambda: self.time)
        self.clock.switch("train")
        self.stream = io.StringIO()
        monkeypatch.setattr(self.stream, "isatty", lambda: terminal)
        self.callback = Progress(length, self.clock, Console(self.stream), now=lambda: self.time)
        self.callback.fit_start(self.state, self.state)

    def step(self, seconds: float, looks: int = 1) -> None:
        """Take a step, looking as often meanwhile as the thread would."""
        for _ in range(looks):
            self.time += seconds / looks
            self.callback.look()
        self.state.timestamp.batch += 1
        self.callback.batch_end(self.state, self.state)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(length_of("max_duration=1170ba", "eval_interval=390ba"), monkeypatch)


def test_the_first_estimate_comes_within_twenty_steps(run: Run) -> None:
    for _ in range(20):
        run.step(0.05)
    assert len(run.lines) == 1
    assert run.lines[0].startswith(f"step {FIRST_ESTIMATE} of 1,170 | 2,560 images/s | loss 4.000 | ")
    assert run.lines[0].endswith(" | 62 s left")


def test_a_first_step_that_is_slow_does_not_count(run: Run) -> None:
    run.step(10.0)
    for _ in range(9):
        run.step(0.5)
    assert "256 images/s" in run.lines[0]


def test_lines_come_every_fifteen_seconds(run: Run) -> None:
    for _ in range(1000):
        run.step(0.1)
    steps = [int(line.split()[1].replace(",", "")) for line in run.lines]
    assert steps[0] == FIRST_ESTIMATE
    assert len(steps) == 1 + 6
    assert {after - before for before, after in itertools.pairwise(steps[1:])} <= {149, 150, 151}


def test_a_step_of_a_minute_is_told_and_then_counted(run: Run) -> None:
    run.step(60.0, looks=120)
    assert run.lines[:3] == [f"step 1 of 1,170 has been running for {seconds} s" for seconds in (15, 30, 45)]
    run.step(60.0, looks=120)
    # 1,169 steps of a minute, and three evaluations of a third of the 78 minutes that training on their images takes.
    assert "step 1 of 1,170 | 2 images/s | loss 4.000 | 20 h 47 min left" in run.lines
    assert any(line.startswith("step 2 of 1,170 has been running for") for line in run.lines)


def test_a_long_evaluation_is_told_and_its_time_is_in_the_estimate(run: Run) -> None:
    for _ in range(390):
        run.step(0.01)
    printed = len(run.lines)
    run.clock.switch("eval")
    run.callback.eval_start(run.state, run.state)
    for _ in range(5):
        for _ in range(20):
            run.time += 1.0
            run.callback.look()
        run.callback.eval_batch_end(run.state, run.state)
    run.clock.switch("train")
    run.callback.eval_end(run.state, run.state)
    told = run.lines[printed:]
    assert 5 <= len(told) <= 7
    assert told[0] == "evaluating after step 390: batch 0 of 5"
    assert told[-1] == "evaluating after step 390: batch 4 of 5"
    for _ in range(1600):
        run.step(0.01)
    # Two evaluations of 100 s are left, and a few seconds of steps.
    assert run.lines[-1].endswith("3 min left")


def test_a_run_that_goes_on_starts_its_estimate_there(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(length_of("max_duration=1170ba"), monkeypatch, batch=1000)
    for _ in range(FIRST_ESTIMATE):
        run.step(1.0)
    assert run.lines[0].startswith("step 1,010 of 1,170 | 128 images/s")


def test_a_terminal_has_one_bar_which_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    run = Run(length_of("max_duration=100ba"), monkeypatch, terminal=True)
    for _ in range(50):
        run.step(0.5)
    assert "\n" not in run.stream.getvalue()
    shown = run.stream.getvalue().rpartition("\x1b[K")[2]
    assert shown.startswith("[####......]  49% step 49 of 100 | 256 images/s | loss 4.000 | ")
    run.callback.close(run.state, run.state)
    assert run.stream.getvalue().endswith("\x1b[K")


def test_output_that_nobody_takes_any_more_ends_the_thread_and_not_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_FRAMES", 0.001)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.002)
    stream, clock, state = io.StringIO(), Clock(), State(0)
    stream.close()
    callback = Progress(length_of("max_duration=100ba"), clock, Console(io.StringIO()))
    callback.console = Console(stream)
    callback.fit_start(state, state)
    callback._thread.join(timeout=10)
    assert not callback._thread.is_alive()
