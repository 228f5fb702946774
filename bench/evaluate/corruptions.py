"""Corruptions: top-1 on images corrupted as in CIFAR-C, in 18 kinds at 5 severities (`bench.evaluate.corrupt.kinds`).

By default 2,000 images, chosen by a key; what is random in a corruption is keyed by the image's row, the kind and the
severity. So everybody's networks see the same images, whatever the batch. The mean over all kinds and severities is the
mean corruption accuracy, 100 % minus what the paper calls the unnormalised mean corruption error. As frost is missing,
neither the mean over all kinds nor the one over the kinds of the paper's own mean is that of the published files.
"""

from collections.abc import Mapping
from statistics import mean
from typing import Any

from torch import Tensor

from bench.evaluate.corrupt.kinds import KINDS, SEVERITIES, corrupt
from bench.evaluate.registry import EVALUATORS
from bench.evaluate.subset import source_rows
from bench.evaluate.trained import BATCH, Predictions, Trained
from bench.util.progress import Progress
from bench.util.text_table import text_table


def measure(trained: Trained, predictions: Predictions) -> dict[str, Any]:
    """Return top-1 in percent of each kind at each severity, their means, and that of the same images as they are."""
    kinds: dict[str, list[float]] = {}
    with Progress("corruptions", len(KINDS) * len(SEVERITIES)) as progress:
        for kind in KINDS:
            kinds[kind] = []
            for severity in SEVERITIES:
                kinds[kind].append(top1(trained, predictions.labels, kind, severity))
                progress.advance()
    clean = (predictions.logits.argmax(dim=1) == predictions.labels).double().mean()
    return {
        "clean_top1": 100 * float(clean),
        "corruption_top1": mean(value for row in kinds.values() for value in row),
        "main_corruption_top1": mean(value for kind, row in kinds.items() if not KINDS[kind].extra for value in row),
        "kinds": kinds,
    }


def top1(trained: Trained, labels: Tensor, kind: str, severity: int) -> float:
    """Return the accuracy in percent on the split's images under one kind of corruption."""
    split = trained.dataset.evaluation
    rows, right = source_rows(split), 0
    for first in range(0, len(split), BATCH):
        part = slice(first, first + BATCH)
        logits = trained.classify_all(corrupt(split.images[part], rows[part], kind, severity))
        right += int((logits.argmax(dim=1) == labels[part]).sum())
    return 100 * right / len(split)


def show(measured: Mapping[str, Any]) -> list[str]:
    """Return a table of the kinds, the worst first, and the means."""
    kinds = sorted(measured["kinds"].items(), key=lambda item: mean(item[1]))
    rows = [(kind, *(f"{value:.1f}" for value in row), f"{mean(row):.1f}") for kind, row in kinds]
    lines = text_table(("top-1 (%) at severity", *map(str, SEVERITIES), "mean"), rows, range(1, 7))
    quantities = EVALUATORS["corruptions"].quantities
    means = ", ".join(quantity.say(measured[name]) for name, quantity in quantities.items())
    return [*lines, "", f"{means}; the same images as they are {measured['clean_top1']:.2f} %"]
