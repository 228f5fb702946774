"""The cost of each operation and step of the augmentation, and the lower bound set by memory traffic."""

from collections.abc import Sequence

import numpy as np
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.autoaugment import _apply_op

from bench.data.augmentation.augment import CPU_BYTES, augment_bytes, normalise, train_batches
from bench.data.augmentation.erasing import erase_
from bench.data.augmentation.geometry import crop_flip
from bench.data.augmentation.operations import OPERATIONS, apply_sorted_
from bench.data.augmentation.plan import Plan, make_plan
from bench.data.augmentation.policies import Augmentation, make_space
from bench.speed.timing import best_of

THEIR_NAMES = {name: name.title().replace("_", "") for name in OPERATIONS} | {"autocontrast": "AutoContrast"}
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
CHUNK_IMAGES = 64  # about as many as share an operation in a chunk of the pipeline


def operation_costs(images: Tensor) -> dict[str, dict[str, float]]:
    """Return microseconds an image of each operation at random settings: ours on a batch, torchvision's on PIL images.

    Ours includes a copy of the images, which is what the identity costs.
    """
    images = images[:CHUNK_IMAGES]
    space, random = make_space("trivial_augment_wide", *images.shape[1:3]), np.random.default_rng(0)
    setting = random.integers(0, 2 * space.bins, len(images))
    pictures = [Image.fromarray(image.numpy()) for image in images[:64]]
    costs = {}
    for index, name in enumerate(OPERATIONS):
        number = np.full(len(images), index)
        magnitudes = space.magnitudes[number, setting].tolist()
        ours = best_of(lambda number=number: apply_sorted_(images.clone(), number, setting, space))  # type: ignore[misc]
        theirs = best_of(lambda name=name, m=magnitudes: _theirs(pictures, name, m))  # type: ignore[misc]
        costs[name] = {"ours": ours / len(images) * 1e6, "torchvision": theirs / len(pictures) * 1e6}
    return costs


def _theirs(pictures: Sequence[Image.Image], name: str, magnitudes: Sequence[float]) -> None:
    """Apply torchvision's operation to each image, at a magnitude of its own."""
    for picture, magnitude in zip(pictures, magnitudes, strict=False):
        _apply_op(picture, THEIR_NAMES[name], magnitude, InterpolationMode.NEAREST, None)


def _plan(images: Tensor, chosen: Tensor, augmentation: Augmentation) -> Plan:
    """Return the plan of chosen samples."""
    return make_plan(chosen, seed=0, epoch=0, augmentation=augmentation, size=images.shape[1:3])


def _everything(images: Tensor, chosen: Tensor, batch_size: int, augmentation: Augmentation) -> None:
    """Make training batches of chosen images."""
    batches = chosen.split(batch_size)
    for _ in train_batches(images, batches, seed=0, epoch=0, augmentation=augmentation, mean=MEAN, std=STD):
        pass


def step_costs(images: Tensor, order: Tensor, batch_size: int, augmentation: Augmentation) -> dict[str, float]:
    """Return microseconds an image of the steps of a pipeline, on one chunk of a data set, and the lower bound.

    `starting` is what a chunk costs beyond its images (microseconds a chunk): starting each of the computations.
    """
    chunk = order[: max(1, CPU_BYTES // images[0].numel())]
    few, indices, plan = chunk[:16], chunk.numpy(), _plan(images, chunk, augmentation)
    gathered = images.index_select(0, chunk)
    values = normalise(gathered, MEAN, STD)
    places = (indices, plan.top, plan.left, plan.flip, augmentation.crop_padding)
    works = {
        "draw": lambda: _plan(images, chunk, augmentation),
        "gather, crop, flip": lambda: crop_flip(images, *places),
        "gather, crop, flip, policy": lambda: augment_bytes(images, indices, plan, augmentation),
        "normalise": lambda: normalise(gathered, MEAN, STD),
        "erase": lambda: erase_(values, plan.boxes),
        "all": lambda: _everything(images, chunk, batch_size, augmentation),
        "least": lambda: images.index_select(0, chunk).float(),
    }
    costs = {name: best_of(work, 25) / len(chunk) * 1e6 for name, work in works.items()}
    small = best_of(lambda: _everything(images, few, batch_size, augmentation), 25) * 1e6
    slope = (costs["all"] * len(chunk) - small) / (len(chunk) - len(few))
    return costs | {"starting": small - slope * len(few), "chunk": float(len(chunk))}
