"""What is known of the networks of runs: read from the runs' directories, or measured and kept there."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch

from bench.evaluate.kept import find_kept, keep, keep_drawing
from bench.evaluate.registry import EVALUATORS, Evaluator, Measured
from bench.evaluate.subset import choose
from bench.evaluate.trained import Predictions, Trained, predict
from bench.util.errors import BadInput

ACCURACY = "accuracy"
HEADLINE = Evaluator("the metrics of the headline", __name__)


class Results:
    """The evaluations of one run's network; `written` are the files that were written.

    `named` are the rows of the split that evaluators which draw are to show. Raises BadInput for a row that it lacks.
    """

    def __init__(
        self, trained: Trained, *, again: bool = False, all_images: bool = False, named: Sequence[int] | None = None
    ) -> None:
        self.trained, self.again, self.all_images, self.named = trained, again, all_images, named or ()
        for row in self.named:
            if not 0 <= row < len(trained.dataset.evaluation):
                last = len(trained.dataset.evaluation) - 1
                raise BadInput(f"--images {row}: the split {trained.split} has the rows 0 to {last}")
        self.written: list[Path] = []

    @cached_property
    def predictions(self) -> Predictions:
        """Return the logits of all images, computed when they are first asked for."""
        return predict(self.trained)

    @cached_property
    def accuracy(self) -> Measured:
        """Return the headline's metrics and the number of images."""
        kept = None if self.again else find_kept(self.trained, ACCURACY, HEADLINE)
        return kept or self._keep(self.trained, ACCURACY, HEADLINE, self.predictions.accuracy)

    def get(self, name: str) -> Measured:
        """Return what an evaluator measures, on its own number of images or on all; one that draws, on those named."""
        evaluator = EVALUATORS[name]
        rows, label = choose(len(self.trained.dataset.evaluation), None if self.all_images else evaluator.images), name
        if evaluator.draws and self.named:
            rows = torch.tensor(sorted(set(self.named)))
            label = "-".join([name, *map(str, rows.tolist())])
        trained = self.trained.take(rows)
        kept = None if self.again else find_kept(trained, label, evaluator)
        if kept is not None:
            return kept
        measured = evaluator.measure(trained, self.predictions.take(rows))
        if evaluator.draws:
            self.written.append(keep_drawing(trained, label, evaluator.draw(trained, measured)))
        return self._keep(trained, label, evaluator, measured)

    def _keep(self, trained: Trained, name: str, evaluator: Evaluator, measured: Measured) -> Measured:
        """Write what was measured, and return it."""
        self.written.append(keep(trained, name, evaluator, measured))
        return measured


def measure_together(name: str, networks: Sequence[Trained], *, again: bool = False) -> list[str]:
    """Return what an evaluator that measures networks together has to say of each, and the files that were written.

    They are measured anew if that was not kept of every one of them.
    """
    evaluator = EVALUATORS[name]
    kept = [None if again else find_kept(trained, name, evaluator) for trained in networks]
    found = [measured for measured in kept if measured is not None]
    written: list[str] = []
    if len(found) < len(networks):
        found = list(evaluator.measure_together(networks))
        written = [str(keep(trained, name, evaluator, item)) for trained, item in zip(networks, found, strict=True)]
    shown = [
        f"{trained.record.run_id}: {line}"
        for trained, item in zip(networks, found, strict=True)
        for line in evaluator.show(item)
    ]
    return [*shown, *written]
