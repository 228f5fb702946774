"""The network as Composer trains it: logits in, soft or index labels, no per-step metrics."""

from typing import Any

from composer.loss import soft_cross_entropy
from composer.models import ComposerModel
from torch import Tensor, nn
from torchmetrics import Metric


class Classifier(ComposerModel):
    """Wrap an image classifier for Composer; the recorder measures accuracy, once for every image."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the logits of a batch."""
        return self.module(batch[0])

    def eval_forward(self, batch: tuple[Tensor, Tensor], outputs: Any | None = None) -> Tensor:
        """Return the logits of an evaluation batch."""
        return self.forward(batch) if outputs is None else outputs

    def loss(self, outputs: Tensor, batch: tuple[Tensor, Tensor], reduction: str = "mean") -> Tensor:
        """Return the mean cross-entropy against index labels or dense ones (MixUp, label smoothing).

        Selective backprop asks for each sample's by the reduction "none".
        """
        return soft_cross_entropy(outputs, batch[1], reduction=reduction)

    def get_metrics(self, is_train: bool = False) -> dict[str, Metric]:
        """Return no Composer metrics: they would be updated, reduced and logged at every step."""
        return {}

    def update_metric(self, batch: Any, outputs: Any, metric: Metric) -> dict[str, Any]:
        """Refuse: there are no metrics to update."""
        raise NotImplementedError("accuracy is measured by the recorder")
