"""Accuracy of each class, against torchmetrics and scipy."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_confusion_matrix

from bench.evaluate.per_class import class_rows, confusion, show, wilson

CLASSES = [f"class {number}" for number in range(8)]


def draws(seed: int, images: int = 300) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits that know something about the labels, and the labels; class 7 has no images."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 7, (images,), generator=generator)
    logits = torch.randn(images, 8, generator=generator)
    logits[torch.arange(images), labels] += 1.0
    return logits, labels


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("key", "k"), [("top1", 1), ("top5", 5)])
def test_accuracies_are_torchmetrics(seed: int, key: str, k: int) -> None:
    logits, labels = draws(seed)
    expected = 100 * multiclass_accuracy(logits, labels, num_classes=8, average=None, top_k=k)
    rows = class_rows(logits, labels, CLASSES)
    assert [row["class"] for row in rows] == CLASSES
    assert [row[key] for row in rows[:7]] == pytest.approx(expected[:7].tolist(), rel=1e-5)
    assert rows[7] == {
        "class": "class 7",
        "images": 0,
        "top1": None,
        "interval": None,
        "top5": None,
        "taken_for": None,
    }


def test_the_confusion_is_torchmetrics() -> None:
    logits, labels = draws(4)
    expected = multiclass_confusion_matrix(logits, labels, num_classes=8)
    assert torch.equal(confusion(logits.argmax(dim=1), labels, 8), expected)


def test_the_most_frequent_mistake_is_named() -> None:
    labels = torch.tensor([0, 0, 0, 0, 1, 1])
    predicted = torch.tensor([0, 2, 2, 1, 1, 1])
    rows = class_rows(torch.nn.functional.one_hot(predicted, 3).float(), labels, ["cat", "dog", "owl"])
    assert rows[0]["taken_for"] == {"class": "owl", "images": 2}
    assert rows[1]["taken_for"] is None
    assert (rows[0]["top1"], rows[1]["top1"]) == (25.0, 100.0)
    lines = show({"classes": rows})
    assert lines[1].startswith("cat    owl (2)")
    assert lines[3].startswith("owl    —")
    assert lines[-1] == "mean of 2 classes 62.50 %; worst: cat 25.0; best: dog 100.0"


@given(st.integers(1, 500), st.data())
def test_the_interval_is_scipys(images: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, images))
    expected = binomtest(right, images).proportion_ci(0.95, method="wilson")
    assert wilson(right, images) == pytest.approx((expected.low, expected.high), abs=1e-9)
