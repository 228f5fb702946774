"""Show how far a training is: a line every 15 seconds, or in a terminal one line with a bar that is overwritten."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from composer.core import Callback, State
from composer.loggers import Logger

from bench.engines.clock import Clock
from bench.engines.progress import Mark, RunLength, evaluation_line, share_done, slow_step_line, step_line
from bench.util.console import Console, progress_bar

SECONDS_BETWEEN_LINES, SECONDS_BETWEEN_FRAMES = 15.0, 0.5
# The step of this process after which the first line comes, with the first estimate of the time left.
FIRST_ESTIMATE = 10
# Speed and time left are those of the last so many lines.
MARKS = 5


class Progress(Callback):
    """Show a run's progress on a console, from one process of the run; put it after the clock.

    Steps leave what they have at hand anyway; a thread prints, so that a step or an evaluation of minutes is seen too.
    """

    def __init__(
        self, length: RunLength, clock: Clock, console: Console, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.length, self.clock, self.console, self._now = length, clock, console, now
        self._pause = SECONDS_BETWEEN_FRAMES if console.is_terminal else SECONDS_BETWEEN_LINES
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._lock = threading.Lock()
        self._marks: deque[Mark] = deque(maxlen=MARKS)
        self._steps, self._evaluations = 0, 0
        self._before_evaluations = 0.0
        # (batches done, batches) of the evaluation that is going on.
        self._evaluating: tuple[int, int] | None = None

    def fit_start(self, state: State, logger: Logger) -> None:
        """Start from here, which may be where the run was interrupted."""
        self._first = self._latest = self._seen = Mark(int(state.timestamp.batch), self.clock.elapsed("train"), 0.0)
        self._before_evaluations = self.clock.elapsed("eval")
        self._shown = self._stepped = self._now()
        self._thread.start()

    def batch_end(self, state: State, logger: Logger) -> None:
        """Keep the step, the time and the loss, which Composer has already brought to the host."""
        loss = float(state.total_loss_dict["loss/train/total"])
        self._latest = Mark(int(state.timestamp.batch), self.clock.elapsed("train"), loss)
        self._stepped = self._now()
        self._steps += 1
        if self._steps == 1:
            # The first step is slower than the others: speed is measured from its end on.
            self._marks.append(self._latest)
        elif self._steps == FIRST_ESTIMATE and self._seen == self._first:
            self.show()

    def eval_start(self, state: State, logger: Logger) -> None:
        """Show an evaluation in place of the steps."""
        self._evaluating = (0, int(state.dataloader_len or 0))

    def eval_batch_end(self, state: State, logger: Logger) -> None:
        """Count a batch."""
        if self._evaluating:
            done, batches = self._evaluating
            self._evaluating = (done + 1, batches)

    def eval_end(self, state: State, logger: Logger) -> None:
        """Go on with the steps."""
        self._evaluations += 1
        self._evaluating, self._stepped = None, self._now()

    def close(self, state: State, logger: Logger) -> None:
        """Stop; whatever ends a run, Composer calls this."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        self.console.clear()

    def look(self) -> None:
        """Show how far the run is if it is time to."""
        if self._now() - self._shown >= self._pause:
            self.show()

    def show(self) -> None:
        """Show how far the run is."""
        with self._lock:
            text, now = self.line(), self._now()
            if self.console.is_terminal:
                text = f"{progress_bar(share_done(self.length, self._latest))} {text}"
            self.console.show(text)
            self._shown, self._seen = now, self._latest
            if self._marks and self._latest.seconds - self._marks[-1].seconds >= SECONDS_BETWEEN_LINES:
                self._marks.append(self._latest)

    def line(self) -> str:
        """Return what is going on: an evaluation, steps, or one step that takes longer than the pause between lines."""
        latest, waited = self._latest, self._now() - self._stepped
        if self._evaluating:
            return evaluation_line(latest.step, *self._evaluating)
        if latest == self._first or (latest == self._seen and waited >= SECONDS_BETWEEN_LINES):
            return slow_step_line(self.length, latest.step + 1, waited)
        before = self._marks[0] if self._marks[0].step < latest.step else self._first
        return step_line(self.length, before, latest, self._evaluation_seconds())

    def _evaluation_seconds(self) -> float | None:
        """Return how long an evaluation took on average in this process, None before the first."""
        if not self._evaluations:
            return None
        return (self.clock.elapsed("eval") - self._before_evaluations) / self._evaluations

    def _tick(self) -> None:
        """Look again and again until the end; output that nobody takes any more ends it."""
        with suppress(OSError, ValueError):
            while not self._over.wait(SECONDS_BETWEEN_FRAMES):
                self.look()
