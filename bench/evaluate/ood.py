"""Detection of images of another data set: how well a network's certainty tells them from its own.

Both sets' test images get a score: the highest probability (Hendrycks and Gimpel, ICLR 2017), or the negative energy,
which is the log of the sum of the exponentials of the logits (Liu et al., NeurIPS 2020). AUROC is the probability that
an image of the network's own data set scores higher than a foreign one, equal scores counting half.
"""

from collections.abc import Mapping
from typing import Any

from scipy.stats import rankdata
from torch import Tensor

from bench.data.datasets import load_dataset
from bench.evaluate.registry import EVALUATORS
from bench.evaluate.trained import Predictions, Trained
from bench.util.errors import BadInput

FOREIGN = "shapes100"


def measure(trained: Trained, predictions: Predictions) -> dict[str, Any]:
    """Return the AUROC in percent by both scores; raise BadInput for a network that was trained on the foreign set."""
    if trained.dataset.name == FOREIGN:
        raise BadInput(f"{trained.record.path}: it was trained on {FOREIGN}, which is the foreign data set here")
    foreign = load_dataset(FOREIGN, trained.root)
    if foreign.image != trained.dataset.image:
        raise BadInput(
            f"{trained.record.path}: its images are {trained.dataset.image}, those of {FOREIGN} {foreign.image}"
        )
    logits = trained.classify_all(foreign.evaluation.images)
    return {
        "foreign": FOREIGN,
        "foreign_images": len(logits),
        "ood_softmax": 100 * auroc(highest_probability(predictions.logits), highest_probability(logits)),
        "ood_energy": 100 * auroc(negative_energy(predictions.logits), negative_energy(logits)),
    }


def highest_probability(logits: Tensor) -> Tensor:
    """Return the highest probability of each row of N×classes logits."""
    return logits.double().softmax(dim=1).amax(dim=1)


def negative_energy(logits: Tensor) -> Tensor:
    """Return the negative energy, at temperature 1, of each row of N×classes logits."""
    return logits.double().logsumexp(dim=1)


def auroc(own: Tensor, foreign: Tensor) -> float:
    """Return the probability that one of `own` is larger than one of `foreign` (Mann and Whitney, 1947)."""
    ranks = rankdata([*own.tolist(), *foreign.tolist()])[: len(own)]
    pairs = len(own) * len(foreign)
    return float((ranks.sum() - len(own) * (len(own) + 1) / 2) / pairs)


def show(measured: Mapping[str, Any]) -> list[str]:
    """Return the quantities in one line."""
    said = ", ".join(quantity.say(measured[name]) for name, quantity in EVALUATORS["ood"].quantities.items())
    return [f"against {measured['foreign_images']:,} images of {measured['foreign']}: {said}"]
