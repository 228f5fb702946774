"""How long a run lasts and how far it is, in words: pure functions, without torch."""

from dataclasses import dataclass
from fractions import Fraction

from bench.spec import RunSpec
from bench.util.console import show_seconds

# An evaluation computes the forward pass of a training step, a third of its work.
FORWARD_SHARE = 1 / 3


@dataclass(frozen=True)
class RunLength:
    """How long a run lasts: in steps, or in seconds of training; its evaluations are `eval_every` steps apart."""

    steps: int | None
    seconds: int | None
    epoch_steps: int
    batch_size: int
    eval_every: Fraction | None
    eval_samples: int


@dataclass(frozen=True)
class Mark:
    """How far a run was at a moment: steps taken, seconds of training, and the loss of the last step."""

    step: int
    seconds: float
    loss: float


def run_length(spec: RunSpec, train_samples: int, eval_samples: int) -> RunLength:
    """Return how long a spec's run lasts on a data set of that size; every epoch drops its last partial batch."""
    epoch_steps = max(1, train_samples // spec.batch_size)
    sizes = epoch_steps, spec.batch_size
    duration, interval = spec.max_duration, spec.eval_interval
    return RunLength(
        steps=None if duration.seconds else duration.rounded(epoch_steps).steps(*sizes),
        seconds=duration.seconds,
        epoch_steps=epoch_steps,
        batch_size=spec.batch_size,
        eval_every=None if interval.seconds else interval.batches(*sizes),
        eval_samples=eval_samples,
    )


def share_done(length: RunLength, mark: Mark) -> float:
    """Return the share of the training that is done, in [0, 1]."""
    share = mark.step / length.steps if length.steps else mark.seconds / (length.seconds or 1)
    return min(1.0, share)


def seconds_a_step(before: Mark, now: Mark) -> float | None:
    """Return how long a step took between two marks, None when there was none."""
    steps = now.step - before.step
    return (now.seconds - before.seconds) / steps if steps > 0 else None


def evaluations_left(step: float, end: float, every: Fraction | None) -> int:
    """Return how many evaluations follow a step: one each interval before the run's end, and one at its end."""
    if every is None:
        return 1
    before_the_end = -(-Fraction(end) // every) - 1
    return max(0, int(before_the_end - Fraction(step) // every)) + 1


def seconds_left(length: RunLength, now: Mark, step: float, evaluation: float | None = None) -> float:
    """Return the time to the run's end, given the seconds of a step and, once there was one, of an evaluation."""
    training = (length.steps - now.step) * step if length.steps else (length.seconds or 0) - now.seconds
    training = max(0.0, training)
    if evaluation is None:
        evaluation = FORWARD_SHARE * step * length.eval_samples / length.batch_size
    end = length.steps or now.step + training / step
    return training + evaluation * evaluations_left(now.step, end, length.eval_every)


def step_line(length: RunLength, before: Mark, now: Mark, evaluation: float | None = None) -> str:
    """Return the step, speed, loss and time left; speed and time are those of the steps since `before`."""
    step = seconds_a_step(before, now)
    speed = f"{length.batch_size / step:,.0f} images/s" if step else ""
    left = f"{show_seconds(seconds_left(length, now, step, evaluation))} left" if step else ""
    return " | ".join(part for part in (step_words(length, now.step), speed, f"loss {now.loss:.3f}", left) if part)


def step_words(length: RunLength, step: int) -> str:
    """Return a step's number among all."""
    return f"step {step:,} of {length.steps:,}" if length.steps else f"step {step:,}"


def evaluation_line(step: int, done: int, batches: int) -> str:
    """Return how far an evaluation is."""
    return f"evaluating after step {step:,}: batch {done:,} of {batches:,}"


def slow_step_line(length: RunLength, step: int, waited: float) -> str:
    """Return that a step is going on that began some seconds ago."""
    return f"{step_words(length, step)} has been running for {show_seconds(waited)}"
