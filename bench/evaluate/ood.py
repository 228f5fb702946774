"""Detection of images of another data set: how well a network's certainty tells them from its own.

Both sets' test images get a score: the highest probability (Hendrycks and Gimpel, ICLR 2017), or the negative energy,
which is the log of the sum of the exponentials of the logits (Liu et al., NeurIPS 2020). AUROC is the probability that
an image of the network's own data set scores higher than a foreign one, equal scores counting half.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scipy.stats import rankdata
from torch import Tensor

from bench.data.datasets import Dataset, data_root, load_dataset
from bench.evaluate.registry import EVALUATORS
from bench.evaluate.trained import Predictions, Trained
from bench.util.errors import BadInput

FOREIGN = "shapes100"
# A nearer foreign set (no class in common with CIFAR-100, but the same kind of photographs), where it is there.
NEAR = "cifar10"


def measure(trained: Trained, predictions: Predictions) -> dict[str, Any]:
    """Return the AUROC in percent by both scores; raise BadInput for a network that was trained on the foreign set.

    Those against CIFAR-10 are None where it is not in the data root, or is the network's own data set.
    """
    if trained.dataset.name == FOREIGN:
        raise BadInput(f"{trained.record.path}: it was trained on {FOREIGN}, which is the foreign data set here")
    has_near = trained.dataset.name != NEAR and is_there(NEAR, trained.root)
    near = load_dataset(NEAR, trained.root) if has_near else None
    softmax, energy = (None, None) if near is None else aurocs(trained, predictions, near)
    foreign = load_dataset(FOREIGN, trained.root)
    ood_softmax, ood_energy = aurocs(trained, predictions, foreign)
    return {
        "foreign": FOREIGN,
        "foreign_images": len(foreign.evaluation),
        "ood_softmax": ood_softmax,
        "ood_energy": ood_energy,
        "near": NEAR,
        "near_images": len(near.evaluation) if near else 0,
        "near_softmax": softmax,
        "near_energy": energy,
    }


def is_there(name: str, root: Path | None) -> bool:
    """Tell whether a data set's folder holds anything."""
    folder = data_root(root) / name
    return folder.is_dir() and any(folder.iterdir())


def aurocs(trained: Trained, predictions: Predictions, foreign: Dataset) -> tuple[float, float]:
    """Return the AUROC in percent by probability and by energy against the test images of another data set."""
    if foreign.image != trained.dataset.image:
        raise BadInput(
            f"{trained.record.path}: its images are {trained.dataset.image}, those of {foreign.name} {foreign.image}"
        )
    logits = trained.classify_all(foreign.evaluation.images)
    scores = (highest_probability, negative_energy)
    softmax, energy = (100 * auroc(score(predictions.logits), score(logits)) for score in scores)
    return softmax, energy


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
    """Return a line for each foreign data set, or why there is none."""
    quantities = EVALUATORS["ood"].quantities
    lines = []
    for kind, keys in (("foreign", ("ood_softmax", "ood_energy")), ("near", ("near_softmax", "near_energy"))):
        if images := measured[f"{kind}_images"]:
            said = ", ".join(quantities[key].say(measured[key]) for key in keys)
            lines.append(f"against {images:,} images of {measured[kind]}: {said}")
        else:
            lines.append(f"not measured against {measured[kind]}: it is not in the data root, or is the network's own")
    return lines
