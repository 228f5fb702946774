"""Superclasses, against the coarse labels that CIFAR-100 is published with."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.evaluate.superclass import CIFAR100, group_rows, measure, show
from bench.evaluate.trained import load_trained, predict
from bench.util.errors import BadInput

# The coarse label of each fine label, in their published numbering, in which both are in the order of the alphabet.
COARSE = [
    *(4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7),
    *(6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10),
    *(16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16),
    *(12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13),
]


def test_the_superclasses_are_the_published_ones() -> None:
    assert [len(members.split()) for members in CIFAR100.values()] == [5] * 20
    logits = torch.eye(100)
    trained: Any = SimpleNamespace(dataset=SimpleNamespace(name="cifar100"))
    for number in range(20):
        inside = torch.tensor([coarse == number for coarse in COARSE]).nonzero().squeeze(1)
        predictions: Any = SimpleNamespace(logits=logits[inside.roll(1)], labels=inside)
        measured = measure(trained, predictions)
        assert (measured["superclass_top1"], measured["mistakes_within"]) == (100, 100)
        (row,) = (row for row in measured["superclasses"] if row["images"])
        assert row["superclass"] == list(CIFAR100)[number]


def test_accuracies_and_the_share_of_mistakes_within() -> None:
    labels = torch.tensor([0, 0, 1, 2, 3])
    predicted = torch.tensor([0, 1, 2, 2, 0])
    logits = torch.nn.functional.one_hot(predicted, 4).float()
    found = group_rows(logits, labels, torch.tensor([0, 0, 1, 1]), ["low", "high"])
    assert found["superclass_top1"] == pytest.approx(60)
    assert found["mistakes_within"] == pytest.approx(100 / 3)
    assert [row["top1"] for row in found["superclasses"]] == pytest.approx([200 / 3, 50])
    assert found["confusion"] == [[2, 1], [1, 1]]
    assert show(found)[1].split() == ["high", "2", "50.0"]
    assert group_rows(logits, predicted, torch.tensor([0, 0, 1, 1]), ["low", "high"])["mistakes_within"] is None


def test_a_set_without_superclasses_is_refused(finished: Path) -> None:
    trained = load_trained(finished)
    with pytest.raises(BadInput, match="'easy' has no superclasses; known of: cifar100"):
        measure(trained, predict(trained))
