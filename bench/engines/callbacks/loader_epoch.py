"""Tell the training loader which epoch it is in: its order and augmentation are keyed by it."""

from typing import Protocol

from composer.core import Callback, State
from composer.loggers import Logger


class HasEpoch(Protocol):
    """Anything whose iteration depends on an epoch."""

    epoch: int


class SetLoaderEpoch(Callback):
    """Set the loader's epoch at the start of training, also of a resumed one, and of every epoch."""

    def __init__(self, loader: HasEpoch) -> None:
        self.loader = loader

    def fit_start(self, state: State, logger: Logger) -> None:
        """Set the epoch in which a resumed run goes on."""
        self.loader.epoch = int(state.timestamp.epoch)

    def epoch_start(self, state: State, logger: Logger) -> None:
        """Set the epoch that begins."""
        self.loader.epoch = int(state.timestamp.epoch)
