"""The mean and standard deviation of a data set's training images, exact, and kept beside them."""

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.data.layout import Images
from bench.util.files import write_atomically

NORMALISATION_FILE = "normalisation.json"
CHUNK_BYTES = 2**24

Constants = tuple[float, float, float]


def histogram(images: Images) -> NDArray[np.int64]:
    """Return how often each of the 256 values occurs in each channel (3×256) of N×H×W×3 bytes, read in chunks."""
    counts = np.zeros((3, 256), np.int64)
    step = max(1, CHUNK_BYTES // max(1, images[0].size))
    for start in range(0, len(images), step):
        chunk = np.asarray(images[start : start + step])
        for channel in range(3):
            counts[channel] += np.bincount(chunk[..., channel].ravel(), minlength=256)
    return counts


def mean_std(images: Images) -> tuple[Constants, Constants]:
    """Return mean and standard deviation (population) of each channel of N×H×W×3 bytes, on a scale of 0 to 1.

    Sums are integers, so the result does not depend on order or chunk. A channel that is constant gets 1 instead
    of 0, so that it can be divided by.
    """
    means, deviations = [], []
    for counts in histogram(images).tolist():
        n = sum(counts)
        total = sum(value * count for value, count in enumerate(counts))
        squares = sum(value * value * count for value, count in enumerate(counts))
        means.append(total / n / 255)
        deviations.append((n * squares - total * total) ** 0.5 / n / 255 or 1.0)
    return (means[0], means[1], means[2]), (deviations[0], deviations[1], deviations[2])


def _stamp(images: Path) -> dict[str, int]:
    """Return what tells one state of the training images from another: size in bytes and time of last change."""
    state = images.stat()
    return {"bytes": state.st_size, "mtime_ns": state.st_mtime_ns}


def _kept(file: Path, stamp: dict[str, int]) -> tuple[Constants, Constants] | None:
    """Return the constants kept in a file, or None if it is absent, damaged or about other images."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        if record["images"] != stamp:
            return None
        mean, std = ([float(value) for value in record[key]] for key in ("mean", "std"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    usable = len(mean) == len(std) == 3 and all(0 <= m <= 1 for m in mean) and all(0 < s <= 1 for s in std)
    return ((mean[0], mean[1], mean[2]), (std[0], std[1], std[2])) if usable else None


def kept_mean_std(folder: Path, images: Images) -> tuple[Constants, Constants]:
    """Return `mean_std` of a folder's training images, from `normalisation.json` if that is about these very images.

    Otherwise compute and, where the folder can be written, keep it (atomically: several processes may do so at once).
    """
    stamp = _stamp(folder / "train_images.npy")
    file = folder / NORMALISATION_FILE
    if (constants := _kept(file, stamp)) is not None:
        return constants
    mean, std = mean_std(images)
    with suppress(OSError):  # a read-only or full folder costs a computation at each start, nothing else
        write_atomically(file, json.dumps({"mean": mean, "std": std, "images": stamp}, indent=1) + "\n")
    return mean, std
