"""MixUp and CutMix taking turns: each batch is mixed by one of the two, drawn anew.

What: MixUp blends every image with another of its batch, CutMix puts a rectangle of another into it; the labels are
blended by the same weight. Which of them a batch gets is drawn, CutMix with the probability `cutmix_share`. Label
smoothing then acts on the blended labels.

When it pays: long training of networks with little built-in knowledge of images, such as Vision Transformers. Cost:
none to speak of; a short run may lose accuracy by it.

Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018; Yun et al., "CutMix", ICCV 2019; together
as in Touvron et al., "Training data-efficient image transformers" (DeiT), ICML 2021.
"""

import numpy as np
import torch
from composer.algorithms.cutmix.cutmix import cutmix_batch
from composer.algorithms.mixup.mixup import mixup_batch
from composer.core import Algorithm, Event, State
from composer.loggers import Logger
from composer.loss.utils import ensure_targets_one_hot
from torch import Tensor


def mix(images: Tensor, labels: Tensor, order: Tensor, alpha: float, *, cut: bool) -> tuple[Tensor, Tensor, float]:
    """Return images, each mixed with the one that `order` puts in its place, that one's label, and its weight.

    The weight is drawn from Beta(alpha, alpha) with numpy's global generator; with `cut`, by CutMix, it is the share of
    the pixels that were put in, which the border may have made smaller.
    """
    if cut:
        mixed, others, kept, _ = cutmix_batch(images, labels, alpha=alpha, indices=order)
        return mixed, others, 1 - kept
    weight = float(np.random.beta(alpha, alpha))  # noqa: NPY002 - the generator that is seeded anew in each step
    mixed, others, _ = mixup_batch(images, labels, mixing=weight, indices=order)
    return mixed, others, weight


class MixUpCutMix(Algorithm):
    """Mix each batch before the network sees it, and its labels before the loss.

    `mixup_alpha` and `cutmix_alpha` are the parameters of their Beta distributions.
    """

    def __init__(self, mixup_alpha: float = 0.8, cutmix_alpha: float = 1.0, cutmix_share: float = 0.5) -> None:
        self.mixup_alpha, self.cutmix_alpha, self.cutmix_share = mixup_alpha, cutmix_alpha, cutmix_share
        self._others, self._weight = torch.empty(0), 0.0

    def match(self, event: Event, state: State) -> bool:
        """Run before a training batch's forward pass and before its loss."""
        return event in (Event.BEFORE_FORWARD, Event.BEFORE_LOSS)

    def apply(self, event: Event, state: State, logger: Logger) -> None:
        """Mix the images, or blend the labels."""
        images, labels = state.batch
        if event == Event.BEFORE_FORWARD:
            cut = bool(np.random.rand() < self.cutmix_share)  # noqa: NPY002 - as above
            order = torch.randperm(len(images)).to(images.device)
            alpha = self.cutmix_alpha if cut else self.mixup_alpha
            mixed, self._others, self._weight = mix(images, labels, order, alpha, cut=cut)
            state.batch_set_item(0, mixed)
        else:
            own, others = (ensure_targets_one_hot(state.outputs, part) for part in (labels, self._others))
            state.batch_set_item(1, (1 - self._weight) * own + self._weight * others)
