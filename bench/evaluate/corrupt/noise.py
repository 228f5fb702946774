"""Noise: gaussian, shot, impulse, speckle. Images are uint8 N×H×W×3, results float64 where 0 is black and 1 white."""

import numpy as np
from scipy.stats import poisson

from bench.data.layout import Images
from bench.evaluate.corrupt.draws import Draws, Floats


def gaussian_noise(images: Images, draws: Draws, scale: float) -> Floats:
    """Add normal noise of a standard deviation."""
    return images / 255 + scale * draws.normal(*images.shape[1:])


def speckle_noise(images: Images, draws: Draws, scale: float) -> Floats:
    """Add normal noise in proportion to the brightness."""
    return images / 255 * (1 + scale * draws.normal(*images.shape[1:]))


def shot_noise(images: Images, draws: Draws, photons: float) -> Floats:
    """Count photons, of which white has so many on average: a Poisson number for each value."""
    uniform, counts = draws.uniform(*images.shape[1:]), np.zeros(images.shape)
    most = np.arange(poisson.ppf(1 - 2.0**-34, photons) + 1)
    for value in np.unique(images):
        there = images == value
        counts[there] = np.searchsorted(poisson.cdf(most, value / 255 * photons), uniform[there])
    return counts / photons


def impulse_noise(images: Images, draws: Draws, amount: float) -> Floats:
    """Turn a share of the values to black or white, each with probability one half."""
    hit, white = draws.uniform(*images.shape[1:]) < amount, draws.uniform(*images.shape[1:]) < 0.5
    return np.where(hit, white, images / 255)
