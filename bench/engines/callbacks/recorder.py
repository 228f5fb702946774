"""Record a run: training loss and accuracy, exact evaluation; a row and a console line an epoch and an evaluation."""

import math
from collections.abc import Callable
from typing import Any

from composer.core import Callback, State
from composer.loggers import Logger
from composer.utils import dist

from bench.analysis.metrics import METRICS, STEP_LOSS, row_columns, say_metrics, trained_metrics, wandb_row
from bench.engines.callbacks.checkpoint import ended
from bench.engines.callbacks.clock import slowest
from bench.engines.clock import Clock
from bench.engines.metrics import Totals, load_totals, measure, measure_evaluation
from bench.engines.stopping import Diverged
from bench.records import Row


class Recorder(Callback):
    """Collect a row an epoch and an evaluation without a device synchronisation a step; rank 0 gives it to `write_row`.

    A row tells how far the run is at its `batch`, and holds an evaluation only of the weights at that very step.
    `eval_samples` is the size of the evaluation split; an evaluation that saw any other number of images is an error.
    """

    def __init__(
        self, clock: Clock, eval_samples: int, write_row: Callable[[Row], None], report: Callable[[str], None]
    ) -> None:
        self.clock, self.eval_samples = clock, eval_samples
        self.write_row, self.report = write_row, report
        self.rows: list[Row] = []
        self._loss, self._steps, self._training = 0.0, 0, Totals()
        self._evaluated = Totals()
        # The metrics of the weights as they are now, until a row holds them.
        self._evaluation: Row = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the rows, and what an interrupted epoch has summed so far over all ranks; every rank must call it."""
        return {
            "rows": self.rows,
            "loss": self._loss,
            "steps": self._steps,
            "training": self._training.over_ranks().state_dict(),
            "evaluation": self._evaluation,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`; what was counted over all ranks goes on as rank 0's."""
        self.rows, self._evaluation = list(state["rows"]), dict(state["evaluation"])
        self._loss, self._steps = state["loss"], state["steps"]
        self._training = load_totals(state["training"], first=dist.get_global_rank() == 0)

    def after_forward(self, state: State, logger: Logger) -> None:
        """Add the batch's sums on the device."""
        labels = state.batch[1]
        if labels.ndim == 1:
            functions = {name: how for name, how in trained_metrics().items() if how != STEP_LOSS}
            self._training += measure(functions, state.outputs, labels)

    def batch_end(self, state: State, logger: Logger) -> None:
        """Add the loss that Composer has already averaged over the ranks."""
        self._loss += float(state.total_loss_dict["loss/train/total"])
        self._steps += 1

    def eval_start(self, state: State, logger: Logger) -> None:
        """Start the sums of an evaluation."""
        self._evaluated = Totals()

    def eval_after_forward(self, state: State, logger: Logger) -> None:
        """Add the batch's sums on the device."""
        self._evaluated += measure_evaluation(state.outputs, state.batch[1])

    def eval_end(self, state: State, logger: Logger) -> None:
        """Sum over the ranks, check that every image was evaluated exactly once and that the loss is a number."""
        evaluated = self._evaluated.over_ranks()
        if evaluated.images != self.eval_samples:
            raise RuntimeError(f"evaluated {evaluated.images} images, the split has {self.eval_samples}")
        self._evaluation = {f"eval_{name}": value for name, value in evaluated.values().items()}
        self._evaluation["eval_samples"] = evaluated.images
        loss = self._evaluation["eval_loss"]
        if not math.isfinite(loss):
            words, step = f"the evaluation loss became {loss}", int(state.timestamp.batch)
            raise Diverged(words, step=step, epoch=epochs_begun(state), lr=learning_rate(state), loss=loss)

    def batch_checkpoint(self, state: State, logger: Logger) -> None:
        """Write the row of an evaluation within an epoch; one after an epoch's last step is in the epoch's own row."""
        if self._evaluation and int(state.timestamp.batch_in_epoch) < steps_an_epoch(state):
            self._record(state, logger)

    def epoch_checkpoint(self, state: State, logger: Logger) -> None:
        """Write the epoch's row: this event follows the epoch's evaluation and precedes its checkpoint.

        The row of the run's end waits for its evaluation, which comes after every event of the fit.
        """
        if not ended(state):
            self._record(state, logger)
            self._start_epoch()

    def finish(self, state: State, logger: Logger) -> None:
        """Write the row of the run's end, after `fit` and thus after the evaluation of the final weights."""
        self._record(state, logger)
        self._start_epoch()

    def _record(self, state: State, logger: Logger) -> None:
        """Make a row, log it, and write and report it on rank 0."""
        row = self._row(state)
        self.rows.append(row)
        self._evaluation = {}
        logger.log_metrics(wandb_row(row))
        if dist.get_global_rank() == 0:
            self.write_row(row)
            self.report(console_line(row, str(state.max_duration)))

    def _start_epoch(self) -> None:
        """Start the sums of an epoch."""
        self._loss, self._steps, self._training = 0.0, 0, Totals()

    def _row(self, state: State) -> Row:
        """Return how far the run is, and the evaluation of its weights as they are now, if there was one."""
        seconds = slowest(self.clock.read())
        loss = self._loss / self._steps if self._steps else math.nan
        steps = {name: loss for name, how in trained_metrics().items() if how == STEP_LOSS and math.isfinite(loss)}
        trained = {**steps, **self._training.over_ranks().values()}
        found = {
            "epoch": epochs_trained(state),
            "batch": int(state.timestamp.batch),
            "samples": int(state.timestamp.sample),
            "lr": learning_rate(state),
            **{f"train_{name}": value for name, value in trained.items()},
            **self._evaluation,
            "train_seconds": seconds["train"],
            "eval_seconds": seconds["eval"],
        }
        return {column: found.get(column) for column in row_columns()}


def steps_an_epoch(state: State) -> int:
    """Return the number of steps in an epoch."""
    assert state.dataloader_len is not None, "the training loader knows its length"
    return int(state.dataloader_len)


def epochs_trained(state: State) -> float:
    """Return how many epochs have been trained: a whole number at an epoch's end, 1.5 in the middle of the second."""
    whole, steps = int(state.timestamp.epoch), int(state.timestamp.batch_in_epoch)
    return whole + steps / steps_an_epoch(state) if steps else whole


def epochs_begun(state: State) -> int:
    """Return how many epochs have been trained, in whole or in part."""
    return int(state.timestamp.epoch) + (1 if int(state.timestamp.batch_in_epoch) else 0)


def learning_rate(state: State) -> float:
    """Return the learning rate as the schedule has set it after the last step."""
    return float(state.optimizers[0].param_groups[0]["lr"])


def console_line(row: Row, duration: str) -> str:
    """Return a row as one line for the console."""
    speed = row["samples"] / row["train_seconds"] if row["train_seconds"] else math.nan
    trained = [
        METRICS[name].say(row[f"train_{name}"]) for name in trained_metrics() if row[f"train_{name}"] is not None
    ]
    evaluated = say_metrics(row, "eval_")
    parts = [f"epoch {row['epoch']:.4g} of {duration}", *(f"train {words}" for words in trained)]
    return " | ".join([*parts, *([f"eval {evaluated}"] if evaluated else []), f"{speed:.0f} images/s"])
