"""Augment and normalise whole batches of uint8 images on their device, bit-equal to torchvision's operations on PIL.

The order is the usual one: random crop with padding, horizontal flip, policy, normalisation, random erasing. What is
done to a sample depends on (seed, epoch, its index) alone, never on the batch, its order, the rank or the device.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NotRequired, TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor

from bench.data.augmentation.erasing import erase_, fill_, runs_of
from bench.data.augmentation.geometry import Integers, crop_flip, inverse
from bench.data.augmentation.operations import apply_sorted_
from bench.data.augmentation.plan import Plan, make_plan
from bench.data.augmentation.policies import Augmentation, make_space
from bench.data.augmentation.resize import resize
from bench.data.augmentation.transfer import to_device

Triple = tuple[float, float, float]

# How much is worked on at a time. On a CPU, more bytes miss its cache and fewer pay for starting each computation more
# often (768 and 64 images of CIFAR were the fastest); a GPU has only the second cost.
CPU_BYTES, GPU_BYTES = 9 << 18, 1 << 25
CPU_FLOATS = 3 << 18
PLANNED = 1 << 14  # samples whose draws are decided together


def reflects(augmentation: Augmentation) -> bool:
    """Tell whether images are padded by reflection before they are cropped."""
    return getattr(augmentation, "padding_mode", "constant") == "reflect"


def augment_bytes(images: Tensor, chosen: Integers, plan: Plan, augmentation: Augmentation) -> Tensor:
    """Return the chosen ones of uint8 N×H×W×3 images cropped, mirrored and changed by the policy, as planned."""
    _, height, width, _ = images.shape
    order = np.argsort(plan.stages[0].operation, kind="stable") if plan.stages else np.arange(len(chosen))
    top, left, flip = plan.top[order], plan.left[order], plan.flip[order]
    result = crop_flip(images, chosen[order], top, left, flip, augmentation.crop_padding, reflects(augmentation))
    for number, stage in enumerate(plan.stages):
        if number:
            again = np.argsort(stage.operation[order], kind="stable")
            result, order = result.index_select(0, to_device(again, result.device)), order[again]
        space = make_space(augmentation.policy, height, width)
        apply_sorted_(result, stage.operation[order], stage.setting[order], space)
    return result.index_select(0, to_device(inverse(order), result.device)) if plan.stages else result


def normalise(images: Tensor, mean: Triple, std: Triple) -> Tensor:
    """Return float32 B×H×W×3 of (x / 255 - mean) / std, rounded as torchvision's ToTensor and Normalize round it."""
    _, height, width, channels = images.shape
    result = torch.empty(images.shape, dtype=torch.float32, device=images.device)
    byte, shift, scale = _constants(mean, std, height * width, images.device)
    on_cpu = images.device.type == "cpu"
    step = max(1, CPU_FLOATS // (4 * height * width * channels)) if on_cpu else max(1, len(images))
    for given, values in zip(images.split(step), result.flatten(1).split(step), strict=True):
        values.copy_(given.flatten(1)).div_(byte).sub_(shift).div_(scale)
    return result


@lru_cache(maxsize=16)
def _constants(mean: Triple, std: Triple, pixels: int, device: torch.device) -> list[Tensor]:
    """Return 255, mean and std for every value of an image.

    Along a whole image, because a broadcast over three channels is slow; as tensors, because a GPU multiplies by the
    rounded reciprocal of a number instead of dividing by it.
    """
    values = torch.tensor([(255.0,) * 3, mean, std], dtype=torch.float32)
    return list(values.repeat(1, pixels).to(device))


def to_channels(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Return B×H×W×3 values as B×3×H×W in channels-last memory format, of a dtype."""
    return images.to(dtype).permute(0, 3, 1, 2)


class BatchOptions(TypedDict):
    """How batches are made: seed of the run, epoch from 0, an `AugmentationSection` or anything with its attributes.

    `mean` and `std` are of each channel on a scale of 0 to 1; `dtype` is of the result (default float32): the
    arithmetic is float32, rounded once at the end.
    """

    seed: int
    epoch: int
    augmentation: Augmentation
    mean: Triple
    std: Triple
    dtype: NotRequired[torch.dtype]


def train_batch(images: Tensor, indices: Tensor, **options: Unpack[BatchOptions]) -> Tensor:
    """Return a training batch: augmented, normalised, erased.

    Args:
        images: uint8 B×H×W×3 RGB, on any device, where all the work on pixels is done.
        indices: int64 (B,), each image's index in the training split; on the CPU if the device is not to be waited for.
        options: see `BatchOptions`.

    Returns:
        B×3×H×W in channels-last memory format, on the images' device.

    Raises:
        BadInput: for a policy that does not exist.
    """
    plan = planned(indices, images.shape[1:3], options)
    changed = augment_bytes(images, np.arange(len(images)), plan, options["augmentation"])
    return to_channels(erase_(normalised(changed, options), plan.boxes), options.get("dtype", torch.float32))


def train_batches(
    images: Tensor, batches: Iterable[Tensor], *, size: int | None = None, **options: Unpack[BatchOptions]
) -> Iterator[Tensor]:
    """Yield the training batches whose samples `batches` names, the same as `train_batch` would return.

    Several batches are augmented together, which spreads the cost of starting each computation over more images.

    Args:
        images: uint8 N×H×W×3 RGB, the whole training split, on the device where all the work on pixels is done.
        batches: int64 tensors on the CPU, each the indices of one batch's samples.
        size: height and width that the images are resized to before they are normalised and erased; None: as they are.
        options: see `BatchOptions`.
    """
    dtype = options.get("dtype", torch.float32)
    shape = images.shape[1:] if size is None else (size, size, images.shape[3])
    most = max(1, (CPU_BYTES if images.device.type == "cpu" else GPU_BYTES) // images[0].numel())
    for group_of_batches in grouped(batches, PLANNED):
        indices, start = torch.cat(group_of_batches), 0
        whole = planned(indices, shape[:2], options)
        for group in grouped(group_of_batches, most):
            sizes = [len(batch) for batch in group]
            part = slice(start, start := start + sum(sizes))
            plan = whole.part(part)
            changed = augment_bytes(images, indices[part].numpy(), plan, options["augmentation"])
            changed = changed if size is None else resize(changed, size)
            runs = runs_of(plan.boxes, sizes, shape, images.device)
            for batch, erased in zip(changed.split(sizes), runs, strict=True):
                yield to_channels(fill_(normalised(batch, options), erased), dtype)


def planned(indices: Tensor, size: Sequence[int], options: BatchOptions) -> Plan:
    """Return what is drawn for samples whose images have a height and width."""
    seed, epoch, augmentation = options["seed"], options["epoch"], options["augmentation"]
    return make_plan(indices, seed=seed, epoch=epoch, augmentation=augmentation, size=size)


def normalised(images: Tensor, options: BatchOptions) -> Tensor:
    """Return uint8 B×H×W×3 images as float32, with the mean and standard deviation of the options."""
    return normalise(images, options["mean"], options["std"])


def grouped(batches: Iterable[Tensor], most: int) -> Iterator[list[Tensor]]:
    """Yield lists of consecutive batches, each list as long as it can be with at most `most` samples in all."""
    group: list[Tensor] = []
    for batch in batches:
        if group and sum(map(len, group)) + len(batch) > most:
            yield group
            group = []
        group.append(batch)
    if group:
        yield group


def eval_batch(images: Tensor, *, mean: Triple, std: Triple, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return uint8 B×H×W×3 images normalised: B×3×H×W in channels-last memory format, on the images' device."""
    return to_channels(normalise(images, mean, std), dtype)
