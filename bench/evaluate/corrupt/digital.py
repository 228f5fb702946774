"""Digital: contrast, brightness, saturation, JPEG, pixelate, elastic. Images are uint8 N×H×W×3.

Results are uint8, or float64 where 0 is black and 1 white.
"""

from collections.abc import Callable
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from bench.data.layout import Images
from bench.evaluate.corrupt.draws import Draws, Floats

Fold = Callable[[NDArray[np.int64], int], NDArray[np.int64]]


def contrast(images: Images, draws: Draws, factor: float) -> Floats:
    """Move each colour towards its mean over the image."""
    scaled = images / 255
    means = scaled.mean(axis=(1, 2), keepdims=True)
    return np.asarray((scaled - means) * factor + means)


def brightness(images: Images, draws: Draws, more: float) -> Floats:
    """Raise the value of hue, saturation and value, which is the largest of a pixel's colours."""
    scaled = images / 255
    value = scaled.max(axis=3, keepdims=True)
    brighter = (value + more).clip(max=1)
    # Black has no hue and no saturation: it becomes grey.
    return np.where(value > 0, scaled * brighter / np.where(value > 0, value, 1), brighter)


def saturate(images: Images, draws: Draws, factor: float, more: float) -> Floats:
    """Change the saturation of hue, saturation and value to `factor` times it and `more`."""
    scaled = images / 255
    value, least = scaled.max(axis=3, keepdims=True), scaled.min(axis=3, keepdims=True)
    chroma = value - least
    saturation = np.divide(chroma, value, out=np.zeros_like(value), where=value > 0)
    changed = (saturation * factor + more).clip(0, 1)
    # How far each colour is below the largest, from 0 to 1. The hue of grey is red.
    below = np.divide(
        value - scaled, chroma, out=np.broadcast_to([0.0, 1.0, 1.0], scaled.shape).copy(), where=chroma > 0
    )
    return np.asarray(value * (1 - changed * below))


def jpeg_compression(images: Images, draws: Draws, quality: int) -> Images:
    """Compress and decompress as JPEG of a quality."""

    def compress(image: Image.Image) -> Image.Image:
        """Return an image as JPEG keeps it."""
        file = BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return each(images, compress)


def pixelate(images: Images, draws: Draws, share: float) -> Images:
    """Shrink to a share of the size and enlarge again, by the mean over the pixels that meet."""
    _, height, width, _ = images.shape
    small = int(width * share), int(height * share)
    box = Image.Resampling.BOX
    return each(images, lambda image: image.resize(small, box).resize((width, height), box))


def each(images: Images, change: Callable[[Image.Image], Image.Image]) -> Images:
    """Return images that were changed one by one as PIL's."""
    return np.stack([np.asarray(change(Image.fromarray(image))) for image in images])


def elastic_transform(images: Images, draws: Draws, strength: float, sigma: float, corner: float) -> Floats:
    """Move three points of each image at random, then every pixel by a smooth random field.

    `strength`, `sigma` and `corner` are in widths of the image: how far pixels move, how smooth the field is, and how
    far the three points move at most.
    """
    _, height, width, _ = images.shape
    strength, sigma, corner = (width * share for share in (strength, sigma, corner))
    rows, columns = np.mgrid[:height, :width].astype(float)
    middle, reach = np.array([width // 2, height // 2]), min(height, width) // 3
    before = middle + reach * np.array([[1, 1], [1, -1], [-1, -1]])
    after = before + draws.uniform(3, 2, low=-corner, high=corner)
    # Where a pixel comes from: the affine map that takes the three points back.
    back = np.linalg.solve(np.concatenate([after, np.ones((len(images), 3, 1))], axis=2), before[None].astype(float))
    source = np.stack([columns, rows, np.ones_like(rows)], axis=-1).reshape(1, -1, 3) @ back
    across, down = source.reshape(-1, height, width, 2).transpose(3, 0, 1, 2)
    moved = sample(images / 255, down, across, mirror)
    across, down = (
        strength
        * ndimage.gaussian_filter(
            draws.uniform(height, width, low=-1, high=1), (0, sigma, sigma), mode="reflect", truncate=3
        )
        for _ in range(2)
    )
    return sample(moved, rows + down, columns + across, reflect)


def sample(images: Floats, rows: Floats, columns: Floats, fold: Fold) -> Floats:
    """Return N×H×W×C images sampled bilinearly at N×H×W places; `fold` brings places beyond the edge back."""
    _, height, width, _ = images.shape
    top, left = np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
    lower, right = (rows - top)[..., None], (columns - left)[..., None]
    everyone = np.arange(len(images))[:, None, None]

    def line(down: int) -> Floats:
        """Return the samples in the row above, or below, each place."""
        there = fold(top + down, height)
        ends = (images[everyone, there, fold(left + across, width)] for across in (0, 1))
        return next(ends) * (1 - right) + next(ends) * right

    return np.asarray(line(0) * (1 - lower) + line(1) * lower)


def mirror(places: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Fold places back at the edge's pixels, which are not repeated: c b | a b c d | c b."""
    period = max(1, 2 * (size - 1))
    folded = places % period
    return np.minimum(folded, period - folded)


def reflect(places: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Fold places back at the edge, whose pixels are repeated: b a | a b c d | d c."""
    folded = places % (2 * size)
    return np.minimum(folded, 2 * size - 1 - folded)
