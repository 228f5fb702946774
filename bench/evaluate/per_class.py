"""Accuracy of each class: how many of its images are recognised, with an interval, and what they are taken for.

With 100 test images a class, as in CIFAR-100, an accuracy of 70 % is known to about 9 points: the order of the worst
classes is mostly chance, and a class's accuracy is no better known than that. Interval: Wilson's, 95 % (Wilson, JASA
1927), which holds at 0 and 100 % too.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

import torch
from torch import Tensor

from bench.evaluate.trained import Predictions, Trained
from bench.util.text_table import text_table

NORMAL_95 = 1.959963984540054
NAMED = 5
MISSING = "—"
HEADER = ("class", "mostly taken for", "images", "top-1 (%)", "95 % interval", "top-5 (%)")


def measure(trained: Trained, predictions: Predictions) -> dict[str, Any]:
    """Return a row for each class in the order of the labels; the percentages are None for a class without images."""
    return {"classes": class_rows(predictions.logits, predictions.labels, trained.dataset.classes)}


def class_rows(logits: Tensor, labels: Tensor, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return name, images, top-1 and top-5 in percent, interval and most frequent mistake of each class.

    `logits` are N×classes, `labels` N. Of equally frequent mistakes the first class counts.
    """
    counts = confusion(logits.argmax(dim=1), labels, len(classes))
    within = (logits.topk(min(5, len(classes)), dim=1).indices == labels[:, None]).any(dim=1)
    top5 = torch.bincount(labels[within], minlength=len(classes)).tolist()
    return [
        class_row(name, number, counts[number].tolist(), top5[number], classes) for number, name in enumerate(classes)
    ]


def confusion(predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return how often each class (row) was taken for each class (column)."""
    return torch.bincount(labels * classes + predicted, minlength=classes**2).view(classes, classes)


def class_row(name: str, number: int, counts: Sequence[int], top5: int, classes: Sequence[str]) -> dict[str, Any]:
    """Return one class's row from how often it was taken for each class, and was among the first five."""
    images, right = sum(counts), counts[number]
    mistakes = [0 if other == number else count for other, count in enumerate(counts)]
    most = max(mistakes)
    return {
        "class": name,
        "images": images,
        "top1": 100 * right / images if images else None,
        "interval": [100 * end for end in wilson(right, images)] if images else None,
        "top5": 100 * top5 / images if images else None,
        "taken_for": {"class": classes[mistakes.index(most)], "images": most} if most else None,
    }


def wilson(right: int, images: int) -> tuple[float, float]:
    """Return the ends of the 95 % score interval of a share that was seen `right` times of `images`."""
    share, square = right / images, NORMAL_95**2
    middle = (share + square / (2 * images)) / (1 + square / images)
    half = NORMAL_95 / (1 + square / images) * math.sqrt(share * (1 - share) / images + square / (4 * images**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def show(measured: Mapping[str, Any]) -> list[str]:
    """Return a table, worst class first, and a line on the extremes."""
    known = sorted((row for row in measured["classes"] if row["images"]), key=lambda row: row["top1"])
    unseen = [row for row in measured["classes"] if not row["images"]]
    lines = text_table(HEADER, [cells(row) for row in (*known, *unseen)], range(2, len(HEADER)))
    named = min(NAMED, len(known) // 2)
    average = f"mean of {len(known)} classes {mean(row['top1'] for row in known):.2f} %"
    worst, best = (
        ", ".join(f"{row['class']} {row['top1']:.1f}" for row in rows) for rows in (known[:named], known[::-1][:named])
    )
    return [*lines, "", f"{average}; worst: {worst}; best: {best}" if named else average]


def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a class's row as text."""
    if not row["images"]:
        return (row["class"], MISSING, "0", MISSING, MISSING, MISSING)
    mistake = row["taken_for"]
    taken_for = f"{mistake['class']} ({mistake['images']})" if mistake else MISSING
    low, high = row["interval"]
    return (
        row["class"],
        taken_for,
        str(row["images"]),
        f"{row['top1']:.1f}",
        f"{low:.1f} to {high:.1f}",
        f"{row['top5']:.1f}",
    )
