"""A small learnable data set, runs on it, and their final checkpoints evaluated anew by torch and torchvision alone."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torchvision.transforms.functional import normalize, to_tensor

from bench.config import YAMLS, load_spec
from bench.data.datasets import Dataset
from bench.engines.checkpoints import Content, newest_valid
from bench.records import CHECKPOINTS, read_run
from bench.zoo.build import build_model
from tests.training import train_here

CLASSES = 10


def write_easy(folder: Path, train: int, test: int, noise: float = 60.0) -> None:
    """Write a data set of 32×32 images in 10 classes: each class's own coarse pattern under noise."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(1)
    patterns = draw.integers(0, 256, (CLASSES, 8, 8, 3)).repeat(4, axis=1).repeat(4, axis=2)
    for split, number in (("train", train), ("test", test)):
        labels = np.arange(number) % CLASSES
        images = 127.5 + 0.35 * (patterns[labels] - 127.5) + draw.normal(0.0, noise, (number, 32, 32, 3))
        np.save(folder / f"{split}_images.npy", images.clip(0, 255).astype(np.uint8))
        np.save(folder / f"{split}_labels.npy", labels)
    (folder / "classes.txt").write_text("".join(f"class {number}\n" for number in range(CLASSES)))


def run(dataset: Dataset, runs: Path, *overrides: str) -> Path:
    """Train ResNet-20 plainly in float32 on the data set and return the run's directory."""
    words = ["base=recipes/plain_30ep.yaml", f"data.name={dataset.name}", "schedule.warmup=0ep", "threads=1"]
    words += ["wandb.enabled=false", "eval_batch_size=100", f"runs={runs}", *overrides]
    return train_here(load_spec(YAMLS / "resnet_20.yaml", words), dataset)


def final_checkpoint(path: Path) -> Content:
    """Return the checkpoint of a run's end."""
    content = newest_valid(path / CHECKPOINTS, lambda content: None).content
    assert content["finished"]
    return content


def evaluated_weights(content: Content) -> dict[str, torch.Tensor]:
    """Return a checkpoint's weights and statistics that are evaluated: EMA's where there is an EMA."""
    weights = dict(content["model"])
    for kind in ("named_parameters_dict", "named_buffers_dict"):
        weights |= content["algorithms"].get("EMA", {}).get("ema_model", {}).get(kind, {})
    return {name.removeprefix("module."): value for name, value in weights.items()}


def evaluate_anew(path: Path, dataset: Dataset) -> dict[str, Any]:
    """Return top-1 in percent and loss of the final checkpoint's network on the evaluation images."""
    network = build_model(read_run(path).model, CLASSES)
    network.load_state_dict(evaluated_weights(final_checkpoint(path)))
    network.eval()
    pictures = [
        normalize(to_tensor(image), dataset.mean, dataset.std) for image in np.asarray(dataset.evaluation.images)
    ]
    labels = torch.from_numpy(np.array(dataset.evaluation.labels))
    with torch.no_grad():
        logits = network(torch.stack(pictures))
    right = int((logits.argmax(dim=1) == labels).sum())
    return {"top1": 100 * right / len(labels), "loss": float(F.cross_entropy(logits, labels))}
