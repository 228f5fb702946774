"""Record a run: training loss and accuracy, exact evaluation; a row and a console line an epoch and an evaluation."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from composer.core import Callback, State
from composer.loggers import Logger
from composer.utils import dist
from torch import Tensor

from bench.engines.callbacks.checkpoint import ended
from bench.engines.callbacks.clock import slowest
from bench.engines.clock import Clock
from bench.engines.stopping import Diverged
from bench.records import Row

Sums = dict[str, float]


def training_hits(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return how many images of a training batch are classified right (with MixUp: as the undisplaced label)."""
    return (outputs.detach().argmax(dim=1) == labels).sum()


def evaluation_sums(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the sums (top-1 hits, top-5 hits, cross-entropy, images) of N×classes logits, in float64."""
    top = outputs.topk(min(5, outputs.shape[1]), dim=1).indices == labels[:, None]
    loss = F.cross_entropy(outputs.float(), labels, reduction="sum")
    return torch.stack(
        [top[:, 0].sum().double(), top.sum().double(), loss.double(), labels.new_tensor(len(labels)).double()]
    )


def evaluation_row(sums: Tensor) -> Row:
    """Return accuracy in percent and mean loss from the summed evaluation."""
    top1, top5, loss, samples = sums.tolist()
    return {
        "eval_loss": loss / samples,
        "eval_top1": 100 * top1 / samples,
        "eval_top5": 100 * top5 / samples,
        "eval_samples": int(samples),
    }


NOT_EVALUATED: Row = {"eval_loss": None, "eval_top1": None, "eval_top5": None, "eval_samples": None}


class Recorder(Callback):
    """Collect a row an epoch and an evaluation without a device synchronisation a step; rank 0 gives it to `write_row`.

    A row tells how far the run is at its `batch`, and holds an evaluation only of the weights at that very step.
    `eval_samples` is the size of the evaluation split; an evaluation that saw any other number of images is an error.
    """

    def __init__(
        self, clock: Clock, eval_samples: int, write_row: Callable[[Row], None], report: Callable[[str], None]
    ) -> None:
        """Take the run's clock, the expected number of evaluated images, and where rows and console lines go."""
        self.clock, self.eval_samples = clock, eval_samples
        self.write_row, self.report = write_row, report
        self.rows: list[Row] = []
        self._loss, self._steps, self._seen = 0.0, 0, 0
        self._hits: Tensor | None = None
        self._sums: Tensor | None = None
        self._evaluation: Row = dict(NOT_EVALUATED)

    def state_dict(self) -> dict[str, Any]:
        """Return the rows, and what an interrupted epoch has summed so far over all ranks; every rank must call it."""
        right, seen = self._counts()
        return {
            "rows": self.rows,
            "loss": self._loss,
            "steps": self._steps,
            "seen": int(seen),
            "hits": int(right),
            "evaluation": self._evaluation,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`; what was counted over all ranks goes on as rank 0's."""
        first = dist.get_global_rank() == 0
        self.rows, self._evaluation = list(state["rows"]), dict(state["evaluation"])
        self._loss, self._steps = state["loss"], state["steps"]
        self._seen = state["seen"] if first else 0
        self._hits = torch.tensor(state["hits"] if first else 0)

    def after_forward(self, state: State, logger: Logger) -> None:
        """Count the batch's hits on the device."""
        labels = state.batch[1]
        if labels.ndim == 1:
            hits = training_hits(state.outputs, labels)
            self._hits = hits if self._hits is None else self._hits.to(hits.device) + hits
            self._seen += len(labels)

    def batch_end(self, state: State, logger: Logger) -> None:
        """Add the loss that Composer has already averaged over the ranks."""
        self._loss += float(state.total_loss_dict["loss/train/total"])
        self._steps += 1

    def eval_start(self, state: State, logger: Logger) -> None:
        """Start the sums of an evaluation."""
        self._sums = None

    def eval_after_forward(self, state: State, logger: Logger) -> None:
        """Add a batch's hits and loss."""
        sums = evaluation_sums(state.outputs, state.batch[1])
        self._sums = sums if self._sums is None else self._sums + sums

    def eval_end(self, state: State, logger: Logger) -> None:
        """Sum over the ranks, check that every image was evaluated exactly once and that the loss is a number."""
        assert self._sums is not None, "an evaluation has at least one batch"
        dist.all_reduce(self._sums, reduce_operation="SUM")
        self._evaluation = evaluation_row(self._sums)
        if self._evaluation["eval_samples"] != self.eval_samples:
            raise RuntimeError(
                f"evaluated {self._evaluation['eval_samples']} images, the split has {self.eval_samples}"
            )
        loss = self._evaluation["eval_loss"]
        if not math.isfinite(loss):
            words, step = f"the evaluation loss became {loss}", int(state.timestamp.batch)
            raise Diverged(words, step=step, epoch=epochs_begun(state), lr=learning_rate(state), loss=loss)

    def batch_checkpoint(self, state: State, logger: Logger) -> None:
        """Write the row of an evaluation within an epoch; one after an epoch's last step is in the epoch's own row."""
        if self._evaluation["eval_samples"] is not None and int(state.timestamp.batch_in_epoch) < steps_an_epoch(state):
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
        self._evaluation = dict(NOT_EVALUATED)
        logger.log_metrics({wandb_name(key): value for key, value in row.items() if value is not None})
        if dist.get_global_rank() == 0:
            self.write_row(row)
            self.report(console_line(row, str(state.max_duration)))

    def _start_epoch(self) -> None:
        """Start the sums of an epoch."""
        self._loss, self._steps, self._seen, self._hits = 0.0, 0, 0, None

    def _counts(self) -> tuple[float, float]:
        """Return how many training images of the epoch were classified right so far, of how many, over all ranks."""
        hits = self._hits if self._hits is not None else torch.tensor(0)
        hits = hits.cuda() if torch.cuda.is_available() and dist.get_world_size() > 1 else hits
        counts = torch.stack([hits.double(), torch.tensor(float(self._seen), dtype=torch.float64, device=hits.device)])
        dist.all_reduce(counts, reduce_operation="SUM")
        right, seen = counts.tolist()
        return right, seen

    def _row(self, state: State) -> Row:
        """Return how far the run is, and the evaluation of its weights as they are now, if there was one."""
        seconds = slowest(self.clock.read())
        right, seen = self._counts()
        loss = self._loss / self._steps if self._steps else math.nan
        return {
            "epoch": epochs_trained(state),
            "batch": int(state.timestamp.batch),
            "samples": int(state.timestamp.sample),
            "lr": learning_rate(state),
            "train_loss": loss if math.isfinite(loss) else None,
            "train_top1": 100 * right / seen if seen else None,
            **self._evaluation,
            "train_seconds": seconds["train"],
            "eval_seconds": seconds["eval"],
        }


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


def wandb_name(key: str) -> str:
    """Return the metric name under which W&B shows a column of the row: `train_loss` is `train/loss`."""
    group, _, rest = key.partition("_")
    return f"{group}/{rest}" if group in ("train", "eval") and rest else f"progress/{key}"


def console_line(row: Row, duration: str) -> str:
    """Return a row as one line for the console."""
    speed = row["samples"] / row["train_seconds"] if row["train_seconds"] else math.nan
    parts = [f"epoch {row['epoch']:.4g} of {duration}"]
    parts += [f"train loss {row['train_loss']:.3f}"] if row["train_loss"] is not None else []
    parts += [f"train top-1 {row['train_top1']:.2f}"] if row["train_top1"] is not None else []
    parts += [f"eval top-1 {row['eval_top1']:.2f} top-5 {row['eval_top5']:.2f}"] if row["eval_top1"] is not None else []
    return " | ".join([*parts, f"{speed:.0f} images/s"])
