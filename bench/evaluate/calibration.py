"""Calibration: whether a network is as often right as its probabilities say.

- ECE: images in 15 bins of equal width of the highest probability; the mean over images of |accuracy − confidence| of
  their bin (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).
- Adaptive ECE: the same in 15 bins of equally many images (Nguyen and O'Connor, EMNLP 2015).
- NLL: mean negative log-likelihood of the true class, in nats. Brier score: mean over images of the squared distance of
  the probabilities from the true class's unit vector, 0 to 2 (Brier, 1950).
- Temperature: the T for which softmax(logits / T) has the lowest NLL (Guo et al.). Only images that were held out of
  training tell it, so it is there only for runs with `data.split: tuning`. Where these images are themselves what is
  evaluated, each half is scaled by the temperature of the other half.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor

from bench.data.augmentation.keyed import keyed_permutation
from bench.data.datasets import SplitName, load_dataset
from bench.evaluate.registry import CALIBRATION_BINS, EVALUATORS
from bench.evaluate.subset import SEED
from bench.evaluate.trained import Predictions, Trained, predict
from bench.util.text_table import text_table

TUNING: SplitName = "tuning"
# Between these inverse temperatures the likelihood has one maximum; beyond, the network knows all or nothing.
INVERSE_TEMPERATURES = (1e-3, 1e3)
NOT_HELD_OUT = "no temperature: the run held no training images out (data.split=tuning does)"


def measure(trained: Trained, predictions: Predictions) -> dict[str, Any]:
    """Return the quantities, and the temperature with the scaled ECE and NLL, None where no images were held out."""
    logits, labels = predictions.logits, predictions.labels
    measured: dict[str, Any] = {**scores(logits, labels), "temperature": None, "scaled_ece": None, "scaled_nll": None}
    if trained.spec.data.split == TUNING and trained.split in (TUNING, "test"):
        temperature, scaled = scale(trained, predictions)
        after = scores(scaled, labels)
        measured |= {"temperature": temperature, "scaled_ece": after["ece"], "scaled_nll": after["nll"]}
    return {**measured, "bins": bin_rows(logits, labels)}


def scores(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return ECE, adaptive ECE and confidence in percent, NLL in nats, and Brier score; logits N×classes, labels N."""
    logits = logits.double()
    probabilities = logits.softmax(dim=1)
    confidence, predicted = probabilities.max(dim=1)
    right = (predicted == labels).double()
    order = confidence.argsort(stable=True)
    equal = torch.arange(len(labels)) * CALIBRATION_BINS // len(labels)
    return {
        "ece": 100 * calibration_error(confidence, right, equal_width(confidence)),
        "adaptive_ece": 100 * calibration_error(confidence[order], right[order], equal),
        "nll": float(F.cross_entropy(logits, labels)),
        "brier": float((probabilities - F.one_hot(labels, logits.shape[1])).square().sum(dim=1).mean()),
        "confidence": 100 * float(confidence.mean()),
    }


def equal_width(confidence: Tensor) -> Tensor:
    """Return the bin of each confidence: bin k holds those from k/15, and the last one 1 too."""
    return (confidence * CALIBRATION_BINS).long().clamp_(max=CALIBRATION_BINS - 1)


def calibration_error(confidence: Tensor, right: Tensor, bins: Tensor) -> float:
    """Return the mean over images of the distance between the accuracy and the confidence of their bin."""
    return float(
        torch.zeros(CALIBRATION_BINS, dtype=torch.float64).index_add_(0, bins, right - confidence).abs().sum()
    ) / len(bins)


def bin_rows(logits: Tensor, labels: Tensor) -> list[dict[str, Any]]:
    """Return images, accuracy and confidence in percent of each bin of equal width that has images."""
    confidence, predicted = logits.double().softmax(dim=1).max(dim=1)
    bins, right = equal_width(confidence), (predicted == labels).double()
    return [
        {
            "bin": number,
            "images": int((bins == number).sum()),
            "confidence": 100 * float(confidence[bins == number].mean()),
            "accuracy": 100 * float(right[bins == number].mean()),
        }
        for number in bins.unique().tolist()
    ]


def scale(trained: Trained, predictions: Predictions) -> tuple[float, Tensor]:
    """Return the temperature of the held-out images, and the evaluated images' logits at a temperature of others."""
    logits, labels = predictions.logits.double(), predictions.labels
    if trained.split == TUNING:
        first = torch.zeros(len(labels), dtype=torch.bool)
        first[keyed_permutation(SEED, 0, len(labels))[: len(labels) // 2]] = True
        of_first, of_second = (fit_temperature(logits[half], labels[half]) for half in (first, ~first))
        return fit_temperature(logits, labels), torch.where(first[:, None], logits / of_second, logits / of_first)
    dataset = load_dataset(trained.dataset.name, trained.root, TUNING)
    held = predict(replace(trained, dataset=dataset, split=TUNING))
    temperature = fit_temperature(held.logits, held.labels)
    return temperature, logits / temperature


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature of the lowest NLL, which is convex in its inverse."""
    logits = logits.double()
    found = minimize_scalar(
        lambda inverse: float(F.cross_entropy(logits * inverse, labels)),
        bounds=INVERSE_TEMPERATURES,
        method="bounded",
        options={"xatol": 1e-9},
    )
    return 1 / float(found.x)


def show(measured: Mapping[str, Any]) -> list[str]:
    """Return the quantities in one line, the bins as a table, and why there is no temperature if there is none."""
    quantities = EVALUATORS["calibration"].quantities
    known = [quantity.say(measured[name]) for name, quantity in quantities.items() if measured[name] is not None]
    rows = [
        (
            f"{row['bin'] / CALIBRATION_BINS:.2f}",
            str(row["images"]),
            f"{row['confidence']:.1f}",
            f"{row['accuracy']:.1f}",
        )
        for row in measured["bins"]
    ]
    lines = text_table(("from", "images", "confidence (%)", "top-1 (%)"), rows, range(4))
    return [*lines, "", ", ".join(known), *([NOT_HELD_OUT] if measured["temperature"] is None else [])]
