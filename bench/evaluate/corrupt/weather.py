"""Weather: fog, snow, spatter. Images are uint8 N×H×W×3, results float64 where 0 is black and 1 white."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bench.data.layout import Images
from bench.evaluate.corrupt.blur import box, smear, smooth, zoom
from bench.evaluate.corrupt.draws import Draws, Floats

WATER, MUD = np.array([175, 238, 238]) / 255, np.array([63, 42, 20]) / 255
GREY = np.array([0.299, 0.587, 0.114])
EIGHT_NEIGHBOURS = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])


def fog(images: Images, draws: Draws, thickness: float, decay: float) -> Floats:
    """Add a cloud, and scale so that the brightest value of the image keeps its place."""
    scaled, (height, width) = images / 255, images.shape[1:3]
    brightest = scaled.max(axis=(1, 2, 3), keepdims=True)
    cloud = plasma(draws, 1 << (max(height, width) - 1).bit_length(), decay)[:, :height, :width, None]
    return np.asarray((scaled + thickness * cloud) * brightest / (brightest + thickness))


def plasma(draws: Draws, size: int, decay: float) -> Floats:
    """Return N×size×size clouds from 0 to 1 by the diamond-square algorithm on a torus; `size` is a power of two.

    Fournier, Fussell and Carpenter, CACM 1982. The heights' deviation falls by the square of `decay` at each halving.
    """
    heights = np.zeros((len(draws.rows), size, size))
    step, wobble = size, 100.0
    while step >= 2:
        half = step // 2
        corners = heights[:, ::step, ::step]
        right = np.roll(corners, -1, 2)
        square = corners + right + np.roll(corners + right, -1, 1)
        heights[:, half::step, half::step] = square / 4 + wobbles(draws, square, wobble)
        centres = heights[:, half::step, half::step]
        for axis, (rows, columns) in ((1, (0, half)), (2, (half, 0))):
            diamond = centres + np.roll(centres, 1, axis) + corners + np.roll(corners, -1, 3 - axis)
            heights[:, rows::step, columns::step] = diamond / 4 + wobbles(draws, diamond, wobble)
        step, wobble = half, wobble / decay
    heights -= heights.min(axis=(1, 2), keepdims=True)
    return heights / heights.max(axis=(1, 2), keepdims=True)


def wobbles(draws: Draws, like: Floats, wobble: float) -> Floats:
    """Return uniform numbers up to the square of `wobble`, for every point of an array."""
    return draws.uniform(*like.shape[1:], low=-(wobble**2), high=wobble**2)


def snow(
    images: Images, draws: Draws, mean: float, deviation: float, factor: float, least: float, *rest: float
) -> Floats:
    """Whiten the image and let flakes fall, smeared within 45° of the vertical; each flake falls twice, turned by 180°.

    `rest` are radius and deviation of the smear, and the share of the image that is not whitened.
    """
    radius, sigma, kept = rest
    flakes = zoom(mean + deviation * draws.normal(*images.shape[1:3]), factor)
    white = (255 * np.where(flakes < least, 0, flakes).clip(0, 1)).astype(np.uint8)
    fallen = smear(white, int(radius), sigma, draws.uniform(low=-135, high=-45))[..., None] / 255
    scaled = images / 255
    whitened = np.maximum(scaled, (scaled @ GREY)[..., None] * 1.5 + 0.5)
    return np.asarray(kept * scaled + (1 - kept) * whitened + fallen + fallen[:, ::-1, ::-1])


def spatter(
    images: Images, draws: Draws, mean: float, deviation: float, sigma: float, least: float, strength: float, mud: int
) -> Floats:
    """Cover the image with drops of water, or of mud."""
    scaled = images / 255
    liquid = smooth(mean + deviation * draws.normal(*images.shape[1:3]), sigma)
    liquid = np.where(liquid < least, 0, liquid)
    if mud:
        cover = smooth((liquid > least).astype(float), strength)
        cover = np.where(cover < 0.8, 0, cover)[..., None]
        return np.asarray(scaled * (1 - cover) + MUD * cover)
    drops = (255 * liquid).astype(np.uint8)
    shine = drops * relief(drops)
    brightest = shine.max(axis=(1, 2), keepdims=True)
    shine = np.divide(shine, brightest, out=np.zeros_like(shine), where=brightest > 0)
    return np.asarray(scaled + strength * shine[..., None] * WATER)


def relief(drops: NDArray[np.uint8]) -> Floats:
    """Return how light falls on drops (N×H×W), from 0 to 255: by the distance to their edges, lit from a corner."""
    edges = find_edges(drops, 50, 150)
    distance = np.full(drops.shape, 20.0)
    if edges.any():
        # Images are so far from each other that the edges of one do not count in another.
        distance = ndimage.distance_transform_edt(~edges, sampling=(1000, 1, 1)).clip(max=20)
    levels = np.stack([equalise(image) for image in box(distance).astype(np.uint8)])
    light = np.array([[-2.0, -1, 0], [-1, 1, 1], [0, 1, 2]])
    lit = ndimage.correlate(levels.astype(float), light[None], mode="mirror").clip(0, 255)
    return np.rint(box(lit))


def equalise(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image whose levels are spread so that their cumulated frequency is even; one level stays as it is."""
    counts = np.bincount(image.ravel(), minlength=256)
    first = int(image.min())
    if counts[first] == image.size:
        return image
    spread = np.rint((counts.cumsum() - counts[first]) * (255 / (image.size - counts[first])))
    return spread.clip(0, 255).astype(np.uint8)[image]


def find_edges(images: NDArray[np.uint8], low: float, high: float) -> NDArray[np.bool_]:
    """Return the edges of N×H×W images by Canny's method (PAMI 1986), with 3×3 Sobel filters.

    An edge is a ridge of the gradient's size |across| + |down| above `low`, connected to one above `high`.
    """
    values = images.astype(float)
    across, down = (
        ndimage.correlate1d(
            ndimage.correlate1d(values, [1, 2, 1], axis=3 - axis, mode="nearest"), [-1, 0, 1], axis=axis, mode="nearest"
        )
        for axis in (2, 1)
    )
    size = np.abs(across) + np.abs(down)
    ridges = (size > low) & is_ridge(across, down, size)
    parts, _ = ndimage.label(ridges, structure=EIGHT_NEIGHBOURS)
    strong = np.unique(parts[ridges & (size > high)])
    return np.asarray(np.isin(parts, strong[strong > 0]))


def is_ridge(across: Floats, down: Floats, size: Floats) -> NDArray[np.bool_]:
    """Tell where the gradient is larger than at both neighbours in its direction, of which there are four."""
    around = np.pad(size, ((0, 0), (1, 1), (1, 1)))
    _, height, width = size.shape

    def at(row: int, column: int) -> Floats:
        """Return the sizes at the neighbours of a direction."""
        return around[:, 1 + row : 1 + row + height, 1 + column : 1 + column + width]

    steep = np.tan(np.pi / 8)
    flat, upright = np.abs(down) < steep * np.abs(across), steep * np.abs(down) > np.abs(across)
    same = across * down >= 0
    diagonal = np.where(same, (size > at(-1, -1)) & (size > at(1, 1)), (size > at(-1, 1)) & (size > at(1, -1)))
    level = (size > at(0, -1)) & (size >= at(0, 1))
    vertical = (size > at(-1, 0)) & (size >= at(1, 0))
    return np.asarray(np.where(flat, level, np.where(upright, vertical, diagonal)))
