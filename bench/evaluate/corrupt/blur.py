"""Blur: gaussian, glass, defocus, motion, zoom. Images are uint8 N×H×W×3; results are uint8, or float64 from 0 to 1."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bench.data.layout import Images
from bench.evaluate.corrupt.draws import Draws, Floats


def smooth(images: Floats, sigma: float) -> Floats:
    """Return N×H×W(×C) images under a gaussian filter that goes on with the edge's pixels beyond the edge."""
    sigmas = (0, sigma, sigma, *(0 for _ in images.shape[3:]))
    return np.asarray(ndimage.gaussian_filter(images, sigmas, mode="nearest", truncate=4))


def gaussian_blur(images: Images, draws: Draws, sigma: float) -> Floats:
    """Smooth by a gaussian filter."""
    return smooth(images / 255, sigma)


def glass_blur(images: Images, draws: Draws, sigma: float, delta: int, times: int) -> Floats:
    """Smooth, give each pixel the colour of one near it, in order from the lower right, and smooth again.

    The paper speaks of swapping two pixels; the published images' program copies, as its rows are views of one array.
    """
    _, height, width, _ = images.shape
    pixels = (255 * smooth(images / 255, sigma)).astype(np.uint8)
    rows, columns = range(height - delta, delta, -1), range(width - delta, delta, -1)
    steps = draws.integers(times, len(rows), len(columns), 2, low=-delta, high=delta)
    everyone = np.arange(len(images))
    for time in range(times):
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                across, down = steps[:, time, i, j].T
                pixels[:, row, column] = pixels[everyone, row + down, column + across]
    return smooth(pixels / 255, sigma)


def defocus_blur(images: Images, draws: Draws, radius: float, alias: float) -> Floats:
    """Spread each pixel over a disk whose edge is smoothed."""
    kernel = disk(radius, alias)
    return np.asarray(ndimage.correlate(images / 255, kernel[None, :, :, None], mode="mirror"))


def disk(radius: float, alias: float) -> Floats:
    """Return the disk of a radius, smoothed by the 3×3 gaussian filter of a deviation; its sum is 1."""
    reach = math.ceil(radius) + 1
    down, across = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = (down**2 + across**2 <= radius**2).astype(float)
    weights = np.exp(-(np.array([-1.0, 0.0, 1.0]) ** 2) / (2 * alias**2))
    weights /= weights.sum()
    for axis in (0, 1):
        inside = ndimage.correlate1d(inside, weights, axis=axis, mode="constant")
    return np.asarray(inside / inside.sum())


def motion_blur(images: Images, draws: Draws, radius: int, sigma: float) -> Images:
    """Smear each image in a direction within 45° of the horizontal."""
    return smear(images, radius, sigma, draws.uniform(low=-45, high=45))


def smear(images: Images, radius: int, sigma: float, degrees: Floats) -> Images:
    """Smear N×H×W(×C) images as ImageMagick's motion blur does.

    Each pixel is the mean, by the weights of half a gaussian bell, of 2 × radius + 1 pixels on a line in the image's
    direction; beyond the edge its pixels go on.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights /= weights.sum()
    radians = np.radians(degrees)[:, None]
    across, down = (np.ceil(steps * part(radians) - 0.5).astype(np.int64) for part in (np.cos, np.sin))
    _, height, width = images.shape[:3]
    everyone, total = np.arange(len(images))[:, None, None], np.zeros(images.shape)
    for step, weight in enumerate(weights):
        rows = (np.arange(height) + down[:, step, None]).clip(0, height - 1)
        columns = (np.arange(width) + across[:, step, None]).clip(0, width - 1)
        total += weight * images[everyone, rows[:, :, None], columns[:, None, :]]
    # The fraction is cut off, as ImageMagick does; the sum of a plain area may be short of it by an error of rounding.
    return (total + 1e-6).astype(np.uint8)


def zoom_blur(images: Images, draws: Draws, end: float, step: float) -> Floats:
    """Return the mean of the image, and of it zoomed in by 1, 1 + step, … to the end."""
    scaled, factors = images / 255, np.arange(1, end, step).tolist()
    return np.asarray(np.mean([scaled, *(zoom(scaled, factor) for factor in factors)], axis=0))


def zoom(images: Floats, factor: float) -> Floats:
    """Return the middle of N×H×W(×C) images, zoomed in bilinearly to their size."""
    down, across = (zoom_matrix(size, factor) for size in images.shape[1:3])
    return np.asarray(np.einsum("ih,jw,nhw...->nij...", down, across, images, optimize=True))


def zoom_matrix(size: int, factor: float) -> Floats:
    """Return the size×size weights by which a zoomed line is made of a line's pixels."""
    part = math.ceil(size / factor)
    first, zoomed = (size - part) // 2, round(part * factor)
    places = first + np.arange(zoomed) * (part - 1) / max(1, zoomed - 1)
    places = places[(zoomed - size) // 2 :][:size]
    return np.stack([np.interp(places, np.arange(size), line) for line in np.eye(size)], axis=1)


def box(images: NDArray[np.generic], axes: Sequence[int] = (1, 2)) -> Floats:
    """Return the mean over 3×3 pixels, mirrored at the edge."""
    result = images.astype(float)
    for axis in axes:
        result = ndimage.uniform_filter1d(result, 3, axis=axis, mode="mirror")
    return np.asarray(result)
