"""What computes the metrics of `bench.analysis.metrics`: the sums of a batch, added over batches and ranks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from composer.utils import dist
from torch import Tensor

from algorithms.registry import import_target
from bench.analysis.metrics import METRICS


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the sum of the images' cross-entropies."""
    return F.cross_entropy(outputs.float(), labels, reduction="sum")


def top1_hits(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return how many images are classified right."""
    return hits_by_place(outputs, labels)[:, 0].sum()


def top5_hits(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return how many images have their class among the five likeliest."""
    return hits_by_place(outputs, labels).sum()


def hits_by_place(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return, N×5 (or ×classes), which of each image's likeliest classes is the right one."""
    return outputs.topk(min(5, outputs.shape[1]), dim=1).indices == labels[:, None]


def training_hits(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return how many images of a training batch are classified right (with MixUp: as the undisplaced label)."""
    return (outputs.argmax(dim=1) == labels).sum()


@dataclass(frozen=True)
class Totals:
    """How many images were seen, and the sums of each metric over them: of one rank, or `over_ranks`."""

    images: int = 0
    sums: Mapping[str, Tensor] = field(default_factory=dict)

    def __add__(self, other: "Totals") -> "Totals":
        """Return the totals of both, on the device of the other."""
        sums = {name: self.sums[name].to(new.device) + new if self.sums else new for name, new in other.sums.items()}
        return Totals(self.images + other.images, sums)

    def over_ranks(self) -> "Totals":
        """Return the totals of all ranks, in float64; every rank must call it."""
        flat = torch.cat([torch.tensor([self.images]), *(sums.cpu() for sums in self.sums.values())]).double()
        flat = flat.cuda() if torch.cuda.is_available() and dist.get_world_size() > 1 else flat
        dist.all_reduce(flat, reduce_operation="SUM")
        images, *sums = flat.cpu().split([1, *(len(sums) for sums in self.sums.values())])
        return Totals(int(images), dict(zip(self.sums, sums, strict=True)))

    def values(self) -> dict[str, float]:
        """Return the metrics; none where no image was seen."""
        seen = self.sums if self.images else {}
        return {name: METRICS[name].finish(sums.tolist(), self.images) for name, sums in seen.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the totals as plain numbers."""
        return {"images": self.images, "sums": {name: sums.tolist() for name, sums in self.sums.items()}}


def load_totals(state: Mapping[str, Any], *, first: bool) -> Totals:
    """Return the totals over all ranks of a `state_dict` as those of the first rank; nothing is left for the others."""
    sums = {name: torch.tensor(values, dtype=torch.float64) for name, values in state["sums"].items()}
    return Totals(state["images"] if first else 0, {name: values * first for name, values in sums.items()})


def measure(functions: Mapping[str, str], outputs: Tensor, labels: Tensor) -> Totals:
    """Return a batch's totals by "module:function" of each metric, without a synchronisation of the device.

    `outputs` are N×classes logits, `labels` N class numbers.
    """
    logits = outputs.detach()
    sums = {name: import_target(target)(logits, labels).reshape(-1) for name, target in functions.items()}
    return Totals(len(labels), {name: exact(value) for name, value in sums.items()})


def exact(sums: Tensor) -> Tensor:
    """Return sums in a type in which many of them can be added: floating-point ones in float64."""
    return sums.double() if sums.is_floating_point() else sums


def measure_evaluation(outputs: Tensor, labels: Tensor) -> Totals:
    """Return the totals of an evaluation's batch in every metric."""
    return measure({name: metric.sums for name, metric in METRICS.items()}, outputs, labels)
