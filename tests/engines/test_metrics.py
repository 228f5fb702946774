"""Metrics are the same however images are spread over batches and processes, and what torchmetrics computes."""

import pytest
import torch
import torch.nn.functional as F
from composer.utils import dist
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy

from bench.analysis.metrics import METRICS, Metric
from bench.engines.metrics import Totals, load_totals, measure, measure_evaluation

CLASSES = 12


def histogram(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return how often each class is the right one: a metric may need more sums than one."""
    return torch.bincount(labels, minlength=CLASSES)


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    return torch.randn(101, CLASSES, generator=draw), torch.randint(CLASSES, (101,), generator=draw)


@pytest.mark.parametrize("size", [1, 7, 100, 101])
def test_batches_add_up_to_the_whole(size: int, batch: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    smallest = Metric("rarest", "最少", f"{__name__}:histogram", lambda sums, images: min(sums) / images)
    monkeypatch.setitem(METRICS, "rarest", smallest)
    logits, labels = batch
    parts = zip(logits.split(size), labels.split(size), strict=True)
    totals = sum((measure_evaluation(*part) for part in parts), Totals())
    assert totals.images == 101
    accuracy = {k: float(multiclass_accuracy(logits, labels, CLASSES, average="micro", top_k=k)) for k in (1, 5)}
    expected = {
        "loss": float(F.cross_entropy(logits, labels)),
        "top1": 100 * accuracy[1],
        "top5": 100 * accuracy[5],
        "rarest": int(histogram(logits, labels).min()) / 101,
    }
    assert totals.values() == pytest.approx(expected, rel=1e-6)


def test_processes_add_up_and_go_on_from_what_all_have_seen(
    batch: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in for the other of two ranks has seen the same images."""
    mine = measure_evaluation(*batch)
    monkeypatch.setattr(dist, "all_reduce", lambda sums, reduce_operation: sums.mul_(2))
    both = mine.over_ranks()
    assert both.images == 202
    assert both.values() == mine.values()
    first, other = (load_totals(both.state_dict(), first=first) for first in (True, False))
    assert first.values() == both.values()
    assert (other.images, other.values()) == (0, {})
    assert (first + mine).state_dict() == (both + mine).state_dict()
    assert {name: len(sums) for name, sums in other.sums.items()} == {
        name: len(sums) for name, sums in both.sums.items()
    }


def test_sums_keep_no_graph_and_no_single_precision(batch: tuple[Tensor, Tensor]) -> None:
    logits, labels = batch
    totals = measure_evaluation(logits.requires_grad_(), labels)
    assert not any(sums.requires_grad for sums in totals.sums.values())
    assert {sums.dtype for sums in totals.sums.values()} == {torch.int64, torch.float64}
    assert Totals().values() == {}
    assert measure({}, logits, labels) == Totals(101)
