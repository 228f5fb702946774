"""Adversarial robustness: top-1 on images changed, within a bound for each value, so that the network errs.

The attacker knows the network and adds at most ε to each value of the image (L∞), which stays between 0 and 255.
FGSM takes one step of ε along the sign of the gradient of the loss (Goodfellow et al., ICLR 2015). PGD starts at a
random place within the bound and takes 20 steps of ε/8, each followed by the projection into it (Madry et al., ICLR
2018); the last step's image counts. Gradients are computed in float32, the images are then classified as in the run's
evaluation. What deceives the network within a budget is within every larger one too: an image on which the network errs
as it is, or under the same attack within a smaller budget, counts as wrong and is not attacked again.
By default 1,000 images, chosen by a key; the random places are keyed by the image's row, so that everybody's networks
are attacked from the same places, whatever the batch. PGD of 20 steps from one place is an upper bound of the accuracy.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.data.augmentation.keyed import keyed_uniform
from bench.engines.precision import FP32, autocast
from bench.evaluate.registry import EVALUATORS
from bench.evaluate.subset import SEED, source_rows
from bench.evaluate.trained import BATCH, Predictions, Trained
from bench.util.progress import Progress
from bench.util.text_table import text_table

BUDGETS = (1, 2, 4, 8)  # of 255
STEPS, STEP_SHARE = 20, 1 / 8
Loss = Callable[[Tensor], Tensor]


def measure(trained: Trained, predictions: Predictions) -> dict[str, Any]:
    """Return top-1 in percent under each attack and budget, and that of the same images as they are."""
    right = predictions.logits.argmax(dim=1) == predictions.labels
    with Progress("adversarial", len(ATTACKS) * len(BUDGETS)) as progress:
        attacks = {
            name: survive(trained, predictions.labels, right, attack, progress) for name, attack in ATTACKS.items()
        }
    named = {f"{name}_{budget}_top1": value for name, row in attacks.items() for budget, value in row.items()}
    return {"clean_top1": percent(right), **named, "attacks": attacks}


def survive(trained: Trained, labels: Tensor, right: Tensor, attack: "Attack", progress: Progress) -> dict[str, float]:
    """Return the accuracy in percent within each budget, of the images that the network gets right as they are.

    `right` (N, bool) says which of the split's images those are; each budget is tried on those that are left.
    """
    found, left = {}, right.clone()
    for budget in BUDGETS:
        rows = left.nonzero().squeeze(1)
        left[rows] = classified(trained, labels, rows, attack, budget / 255)
        found[str(budget)] = percent(left)
        progress.advance()
    return found


def classified(trained: Trained, labels: Tensor, rows: Tensor, attack: "Attack", budget: float) -> Tensor:
    """Return for which of some rows of the split the network is right, attacked within a budget (of 1)."""
    split, right = trained.dataset.evaluation, torch.empty(len(rows), dtype=torch.bool)
    sources = source_rows(split)
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH]
        images = torch.from_numpy(split.images[part.numpy()]).permute(0, 3, 1, 2).to(trained.device) / 255
        true = labels[part].to(trained.device)
        attacked = attack(images, loss_of(trained, true), budget, sources[part])
        right[first : first + BATCH] = trained.classify(standardise(trained, attacked)).argmax(dim=1) == true
    return right


def percent(right: Tensor) -> float:
    """Return the share that is right in percent."""
    return 100 * float(right.double().mean())


def standardise(trained: Trained, images: Tensor) -> Tensor:
    """Return N×3×H×W images from 0 to 1 normalised as the network takes them."""
    mean, std = (images.new_tensor(values).view(3, 1, 1) for values in (trained.dataset.mean, trained.dataset.std))
    return (images - mean) / std


def loss_of(trained: Trained, labels: Tensor) -> Loss:
    """Return the function from images (0 to 1) to the sum of their losses, which has gradients, in float32."""
    trained.network.eval()

    def loss(images: Tensor) -> Tensor:
        """Return the sum over images, so that each image's gradient is its own."""
        with autocast(trained.device.type, FP32):
            return F.cross_entropy(trained.network((standardise(trained, images), None)), labels, reduction="sum")

    return loss


def gradient(loss: Loss, images: Tensor) -> Tensor:
    """Return the gradient of the loss at some images."""
    images = images.detach().requires_grad_()
    with torch.enable_grad():
        (found,) = torch.autograd.grad(loss(images), images)
    return found


def fgsm(images: Tensor, loss: Loss, budget: float, rows: Tensor) -> Tensor:
    """Return images (N×3×H×W, 0 to 1) after one step that raises the loss."""
    return (images + budget * gradient(loss, images).sign()).clamp(0, 1)


def pgd(images: Tensor, loss: Loss, budget: float, rows: Tensor) -> Tensor:
    """Return images (N×3×H×W, 0 to 1) after 20 projected steps from a random place; `rows` (N) key the places."""
    draws = keyed_uniform(SEED, 0, rows, range(images[0].numel())).T.reshape(images.shape)
    low, high = (images - budget).clamp(0, 1), (images + budget).clamp(0, 1)
    attacked = images + budget * (2 * draws.to(images) - 1)
    for _ in range(STEPS):
        attacked = attacked.clamp(low, high)
        attacked = attacked + STEP_SHARE * budget * gradient(loss, attacked).sign()
    return attacked.clamp(low, high)


Attack = Callable[[Tensor, Loss, float, Tensor], Tensor]
ATTACKS: dict[str, Attack] = {"fgsm": fgsm, "pgd": pgd}


def show(measured: Mapping[str, Any]) -> list[str]:
    """Return a table of the attacks by budget, and the accuracy without any."""
    rows = [(name, *(f"{value:.1f}" for value in row.values())) for name, row in measured["attacks"].items()]
    header = ("top-1 (%) within", *(f"{budget}/255" for budget in BUDGETS))
    quantities = EVALUATORS["adversarial"].quantities
    main = ", ".join(quantity.say(measured[name]) for name, quantity in quantities.items())
    lines = text_table(header, rows, range(1, len(header)))
    return [*lines, "", f"{main}; the same images as they are {measured['clean_top1']:.2f} %"]
