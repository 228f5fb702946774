"""The kinds of corruption as one dict: name → function and the parameters of the five severities.

Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019;
the parameters are those of CIFAR-10-C and CIFAR-100-C, whose program clips to 0–255 and cuts the fraction off. Frost is
missing: it needs photographs. The `extra` kinds are those that the authors set apart for validation. What differs:
distances in `spatter` are exact, and affine maps are not rounded to 1/32 pixel, as OpenCV's are.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from bench.data.layout import Images
from bench.evaluate.corrupt import blur, digital, noise, weather
from bench.evaluate.corrupt.draws import Draws, Floats

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Kind:
    """A kind of corruption: its function of images, draws and parameters, and the parameters of each severity."""

    corrupt: Callable[..., Floats | Images]
    parameters: tuple[tuple[float, ...], ...]
    extra: bool = False


def alone(*values: float) -> tuple[tuple[float, ...], ...]:
    """Return the severities of a kind that has one parameter."""
    return tuple((value,) for value in values)


KINDS: dict[str, Kind] = {
    "gaussian_noise": Kind(noise.gaussian_noise, alone(0.04, 0.06, 0.08, 0.09, 0.10)),
    "shot_noise": Kind(noise.shot_noise, alone(500, 250, 100, 75, 50)),
    "impulse_noise": Kind(noise.impulse_noise, alone(0.01, 0.02, 0.03, 0.05, 0.07)),
    "defocus_blur": Kind(blur.defocus_blur, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))),
    "glass_blur": Kind(blur.glass_blur, ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))),
    "motion_blur": Kind(blur.motion_blur, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))),
    "zoom_blur": Kind(blur.zoom_blur, ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01))),
    "snow": Kind(
        weather.snow,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    ),
    "fog": Kind(weather.fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))),
    "brightness": Kind(digital.brightness, alone(0.05, 0.1, 0.15, 0.2, 0.3)),
    "contrast": Kind(digital.contrast, alone(0.75, 0.5, 0.4, 0.3, 0.15)),
    "elastic_transform": Kind(
        digital.elastic_transform,
        ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
    ),
    "pixelate": Kind(digital.pixelate, alone(0.95, 0.9, 0.85, 0.75, 0.65)),
    "jpeg_compression": Kind(digital.jpeg_compression, alone(80, 65, 58, 50, 40)),
    "speckle_noise": Kind(noise.speckle_noise, alone(0.06, 0.1, 0.12, 0.16, 0.2), extra=True),
    "gaussian_blur": Kind(blur.gaussian_blur, alone(0.4, 0.6, 0.7, 0.8, 1), extra=True),
    "spatter": Kind(
        weather.spatter,
        (
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
        extra=True,
    ),
    "saturate": Kind(digital.saturate, ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)), extra=True),
}


def corrupt(images: Images, rows: Tensor, kind: str, severity: int) -> Images:
    """Return uint8 N×H×W×3 images corrupted; `rows` (int64, N) say which images they are, and key what is random."""
    row = KINDS[kind]
    result = row.corrupt(images, Draws(kind, severity, rows), *row.parameters[severity - 1])
    if result.dtype == np.uint8:
        return np.asarray(result, np.uint8)
    return (255 * result.clip(0, 1)).astype(np.uint8)
