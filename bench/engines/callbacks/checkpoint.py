"""Save a training at intervals and when a signal asks it to stop; all ranks decide together, rank 0 writes."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from composer.core import Callback, State
from composer.loggers import Logger
from composer.utils import dist

from bench.engines.checkpoints import Content, file_name, list_checkpoints, prune, write_checkpoint
from bench.engines.clock import Clock
from bench.engines.snapshot import is_finite, take, unwrap_model
from bench.engines.stopping import AGAIN, Diverged, Interrupted, RunStopped, StopSignals
from bench.spec import CheckpointSection
from bench.util.duration import Duration

COUNTED = {"ep": "epoch", "ba": "batch", "sp": "sample"}


def is_due(interval: Duration, before: Any, now: Any, epoch_ended: bool, seconds: float) -> bool:
    """Tell whether to save: `before` and `now` are timestamps around the last step, `seconds` since the last save.

    Epochs are counted where an epoch ends, batches and samples after a step, seconds at both.
    """
    if interval.unit == "sec":
        return seconds >= interval.value
    if epoch_ended != (interval.unit == "ep"):
        return False
    number, field = int(interval.value), COUNTED[interval.unit]
    return int(getattr(before, field)) // number != int(getattr(now, field)) // number


def ended(state: State) -> bool:
    """Tell whether the training has reached its duration; what is left is recorded in moments."""
    return state.max_duration is not None and state.timestamp >= state.max_duration


class CheckpointCallback(Callback):
    """Save at the interval and when `stop` has received a signal, which then ends the run; put it after the recorder.

    `identity` is what a checkpoint says about the run that wrote it, `changes` how it was computed otherwise before.
    """

    def __init__(
        self,
        folder: Path,
        section: CheckpointSection,
        identity: Content,
        clock: Clock,
        stop: StopSignals,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder, self.keep, self.interval = folder, section.keep, section.interval
        self.identity, self.clock, self.stop, self._now = identity, clock, stop, now
        self.changes: Sequence[Mapping[str, Any]] = ()
        self._saved_at = now()

    @property
    def last(self) -> Path | None:
        """Return the newest checkpoint on the disk; those that were refused at the start are no longer there."""
        return next(iter(list_checkpoints(self.folder)), None)

    def fit_start(self, state: State, logger: Logger) -> None:
        """Count the seconds from here."""
        self._saved_at = self._now()

    def batch_checkpoint(self, state: State, logger: Logger) -> None:
        """Save after a step if that is due."""
        self._at_boundary(state, epoch_ended=False)

    def epoch_checkpoint(self, state: State, logger: Logger) -> None:
        """Save after an epoch's evaluation and row if that is due."""
        self._at_boundary(state, epoch_ended=True)

    def _at_boundary(self, state: State, epoch_ended: bool) -> None:
        """Save if it is due or a signal came, on any rank; stop if a signal came."""
        if ended(state):
            return
        seconds = self._now() - self._saved_at
        due = is_due(self.interval, state.previous_timestamp, state.timestamp, epoch_ended, seconds)
        # Each rank has its own time and may get a signal at its own moment; the largest of each decides for all.
        number, save = self._agree(state, self.stop.received, due and dist.get_global_rank() == 0)
        if number or save:
            path = self.save(state)
            if number:
                raise Interrupted(number, str(path) if dist.get_global_rank() == 0 else f"{path.name} on node 0")

    def save(self, state: State, *, finished: bool = False) -> Path:
        """Write a checkpoint; every rank must call it. Raises RunStopped on every rank if the disk refuses."""
        phase = self.clock.switch("checkpoint")
        # Batch statistics are each process's own: one alone may hold a NaN, and all have to stop for it.
        (broken,) = self._agree(state, not is_finite(unwrap_model(state.model)))
        if broken:
            raise self._diverged(state)
        when = state.timestamp
        content = {**self.identity, "changes": list(self.changes), "finished": finished, **take(state)}
        path = self.folder / file_name(int(when.epoch), int(when.batch))
        refusal = self._write(path, content) if dist.get_global_rank() == 0 else ""
        (failed,) = self._agree(state, bool(refusal))
        if failed:
            last = self.last
            kept = f"the last good checkpoint is {last}" if last else "there is no earlier checkpoint"
            raise RunStopped(f"{path} cannot be written ({refusal or 'see rank 0'}); {kept}. Free some space. {AGAIN}")
        self._saved_at = self._now()
        self.clock.switch(phase)
        return path

    def _write(self, path: Path, content: Content) -> str:
        """Write and prune; return why the disk refused, or an empty text."""
        try:
            write_checkpoint(path.parent, path.name, content)
        except OSError as error:
            return error.strerror or str(error)
        prune(path.parent, self.keep)
        return ""

    def _agree(self, state: State, *values: int) -> list[int]:
        """Return the largest of each value over the ranks; it returns when all have come here."""
        if dist.get_world_size() == 1:
            return [int(value) for value in values]
        shared = state.device.tensor_to_device(torch.tensor([int(value) for value in values]))
        dist.all_reduce(shared, reduce_operation="MAX")
        return shared.tolist()

    def _diverged(self, state: State) -> Diverged:
        """Return the error for weights that are no finite numbers: a checkpoint of them would be worth nothing."""
        step, epoch = int(state.timestamp.batch), int(state.timestamp.epoch)
        lr = float(state.optimizers[0].param_groups[0]["lr"])
        return Diverged("a weight became NaN or infinite", step=step, epoch=epoch, lr=lr, loss=None)
