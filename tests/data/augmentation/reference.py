"""What the augmentation is compared with: torchvision's transforms on PIL images; and images that are hard cases."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv
from torchvision.transforms.autoaugment import _apply_op

from bench.data.augmentation.augment import augment_bytes
from bench.data.augmentation.operations import OPERATIONS, Space, numbers
from bench.data.augmentation.plan import Plan, make_plan
from bench.data.augmentation.policies import Augmentation, make_space
from tests.data.drawn import draw

MEAN, STD = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)
DECK = SimpleNamespace(crop_padding=4, flip=True, policy="trivial_augment_wide", erasing=0.5)
DRAWING = ["trivial_augment_wide", "rand_augment", "auto_augment"]  # the policies that draw operations
THEIR_NAMES = {name: name.title().replace("_", "") for name in OPERATIONS} | {"autocontrast": "AutoContrast"}


def recipe(**changes: object) -> SimpleNamespace:
    """Return the deck's augmentation with changes."""
    return SimpleNamespace(**{**vars(DECK), **changes})


def real_images(count: int) -> NDArray[np.uint8]:
    """Return CIFAR-100 training images, or skip the test where they are not at hand."""
    file = Path(os.environ.get("BENCH_DATA") or "data") / "cifar100" / "train_images.npy"
    if not file.exists():
        pytest.skip("CIFAR-100 is not prepared")
    images = np.load(file, mmap_mode="r")
    return np.array(images[:: len(images) // count][:count])


def edge_images() -> NDArray[np.uint8]:
    """Return constant, single-colour, two-level, nearly constant, ramp and random images."""
    random = np.random.default_rng(0)
    colours = [(v, v, v) for v in (0, 1, 127, 128, 254, 255)] + [(255, 0, 0), (0, 255, 0), (3, 77, 250)]
    flat = [np.broadcast_to(np.array(colour, np.uint8), (32, 32, 3)) for colour in colours]
    levels = [(0, 255), (0, 1), (100, 101), (7, 250)]
    two = [np.where(random.random((32, 32, 3)) < random.random(), *level).astype(np.uint8) for level in levels]
    spot = np.full((32, 32, 3), 9, np.uint8)
    spot[31, 31] = (10, 200, 9)
    ramp = np.arange(3072).reshape(32, 32, 3)
    others = [spot, (ramp % 256).astype(np.uint8), (ramp // 12).astype(np.uint8)]
    return np.stack([*flat, *two, *others, *random.integers(0, 256, (6, 32, 32, 3), np.uint8)])


def drawn_images(count: int) -> NDArray[np.uint8]:
    """Return images of the embedded data set."""
    return np.ascontiguousarray(draw("train", count)[0])


def their_operation(image: Image.Image, name: str, magnitude: float) -> Image.Image:
    """Return what torchvision makes of a PIL image."""
    return _apply_op(image, THEIR_NAMES[name], magnitude, InterpolationMode.NEAREST, None)


def theirs_on_all(images: NDArray[np.uint8], name: str, setting: int, space: Space) -> Tensor:
    """Return what torchvision makes of every image (N×H×W×3)."""
    magnitude = float(space.magnitudes[numbers()[name], setting])
    changed = [np.array(their_operation(Image.fromarray(image), name, magnitude)) for image in images]
    return torch.from_numpy(np.stack(changed))


def their_bytes(image: NDArray[np.uint8], plan: Plan, sample: int, padding: int, policy: str) -> Image.Image:
    """Return what torchvision makes of an image before it becomes a tensor, given what was drawn for it."""
    height, width, _ = image.shape
    padded = tv.pad(Image.fromarray(image), padding)
    result = tv.crop(padded, int(plan.top[sample]), int(plan.left[sample]), height, width)
    result = tv.hflip(result) if plan.flip[sample] else result
    for stage in plan.stages:
        number, setting = stage.operation[sample], stage.setting[sample]
        magnitude = float(make_space(policy, height, width).magnitudes[number, setting])
        result = their_operation(result, list(OPERATIONS)[number], magnitude)
    return result


def their_sample(image: NDArray[np.uint8], plan: Plan, sample: int, padding: int, policy: str) -> Tensor:
    """Return what torchvision's whole pipeline makes of an image, given what was drawn for it."""
    tensor = tv.normalize(tv.to_tensor(their_bytes(image, plan, sample, padding, policy)), MEAN, STD)
    top, left, rows, columns = (int(value) for value in plan.boxes[sample])
    return tv.erase(tensor, top, left, rows, columns, torch.zeros(1, 1, 1)) if rows else tensor


def same_bits(ours: Tensor, theirs: Tensor) -> bool:
    """Return whether two float32 tensors are equal bit by bit, signs of zero included."""
    return torch.equal(ours.contiguous().view(torch.int32), theirs.contiguous().view(torch.int32))


def train_bytes(images: Tensor, indices: Tensor, *, seed: int, epoch: int, augmentation: Augmentation) -> Tensor:
    """Return the uint8 B×H×W×3 images that `train_batch` normalises; erasing comes after that."""
    plan = make_plan(indices, seed=seed, epoch=epoch, augmentation=augmentation, size=images.shape[1:3])
    return augment_bytes(images, np.arange(len(images)), plan, augmentation)
