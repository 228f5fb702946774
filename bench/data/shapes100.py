"""The embedded data set: 100 classes = 10 shapes × 5 textures × 2 palettes, drawn by code over clutter.

Image i of a split depends on (seed, split, i) and the version alone: not on how many are drawn, nor on the batch, nor
the platform. Randomness is the raw stream of the Philox counter generator (Salmon et al., "Parallel Random Numbers: As
Easy as 1, 2, 3", SC 2011), one counter range per block of 100 images, in which every class occurs once. Change VERSION
whenever a change of this file or of `shapes_draw` changes a pixel.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench.data.shapes_draw import (
    SHAPES,
    SIDE,
    TEXTURES,
    Plane,
    choose,
    coverage,
    direction,
    frame,
    paint,
    rgb,
    stretch,
)

VERSION = 1
PALETTES = ("warm", "cool")
CLASSES = tuple(f"{palette}_{texture}_{shape}" for shape in SHAPES for texture in TEXTURES for palette in PALETTES)
# Of the 50,000 training images of seed 0: `python -m bench.data check shapes100` measures them.
MEAN, STD = (0.4539, 0.4572, 0.4532), (0.1988, 0.1930, 0.1959)

BLOCK = len(CLASSES)
# More would save no time: what one block needs stays in the processor's cache.
BLOCKS_AT_ONCE = 1
SPLITS = ("train", "test")
# Words for the parameters of an image (a spare part stays unused), and for a byte of noise in each value.
_COLUMNS = 160
_NOISE_WORDS = 3 * SIDE * SIDE // 8


class Draws:
    """Uniform draws for a batch of images, taken column by column from raw 64-bit words, one row per image."""

    def __init__(self, words: NDArray[np.uint64]) -> None:
        # The upper 24 bits fill a float32's significand exactly.
        self._table = (words >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
        self._next = 0

    def unit(self, count: int) -> Plane:
        """Return the next `count` columns (n×count), uniform from 0 to below 1."""
        start, self._next = self._next, self._next + count
        if self._next > self._table.shape[1]:
            raise IndexError(f"more than {self._table.shape[1]} draws per image")
        return self._table[:, start : self._next]

    def between(self, low: float, high: float) -> Plane:
        """Return the next column (n), uniform from low to below high."""
        return self.unit(1)[:, 0] * np.float32(high - low) + np.float32(low)

    def tail(self) -> Plane:
        """Return the next column (n), from 0 to below 1: small for most images and over a half for one in eight."""
        column = self.unit(1)[:, 0]
        squared = column * column
        return squared * squared * column

    def below(self, bound: int) -> NDArray[np.int64]:
        """Return the next column (n) as an integer from 0 to below bound."""
        return (self.unit(1)[:, 0] * np.float32(bound)).astype(np.int64)

    def chance(self, share: float) -> Plane:
        """Return the next column (n) as 1 with the given probability, else 0."""
        return (self.unit(1)[:, 0] < np.float32(share)).astype(np.float32)


def _words(seed: int, split: str, block: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return a block's words: for parameters (100×columns) and for pixel noise (100×words)."""
    key = np.array([seed, VERSION * len(SPLITS) + SPLITS.index(split)], np.uint64)
    generator = np.random.Philox(key=key, counter=np.array([0, 0, block, 0], np.uint64))
    words = generator.random_raw(BLOCK * (_COLUMNS + _NOISE_WORDS)).reshape(BLOCK, -1)
    return words[:, :_COLUMNS], words[:, _COLUMNS:]


def _background(draws: Draws, size: int) -> Plane:
    """Return n×3×32×32 canvases: a gradient between two colours under clouds of a third, with faint bands."""
    colours = [rgb(draws.between(0, 1), draws.between(0.05, 0.6), draws.between(0.2, 0.95)) for _ in range(3)]
    across, _ = frame(draws.between(-8, 8), draws.between(-8, 8), draws.between(0, 1))
    canvas = np.empty((size, 3, SIDE, SIDE), np.float32)
    canvas[:] = colours[0][:, :, None, None]
    paint(canvas, colours[1], np.clip(across / 32 + 0.5, 0, 1))
    clouds = stretch(draws.unit(36).reshape(size, 6, 6))
    paint(canvas, colours[2], np.clip(clouds * 2 - 0.9, 0, 1) * draws.between(0.2, 0.9)[:, None, None])
    return canvas


def _clutter(canvas: Plane, draws: Draws) -> None:
    """Paint a small flat shape of any kind and colour."""
    size = draws.between(2, 4.2)[:, None, None]
    u, v = frame(draws.between(-15, 15), draws.between(-15, 15), draws.between(0, 1))
    distance = choose(SHAPES, draws.below(len(SHAPES)), u / size, v / size) * size
    colour = rgb(draws.between(0, 1), draws.between(0.3, 1), draws.between(0.3, 1))
    paint(canvas, colour, coverage(distance) * draws.chance(0.8)[:, None, None])


def _tones(draws: Draws, palette: NDArray[np.int64]) -> tuple[Plane, Plane]:
    """Return the two colours (n×3 each) of objects: the palette's, and a pale or a dark one for the pattern."""
    start = np.where(palette == 0, np.float32(-0.07), np.float32(0.4)).astype(np.float32)
    hue = start + draws.between(0, 0.25)
    saturation, value = draws.between(0.5, 0.95), draws.between(0.6, 1)
    main = rgb(hue, saturation, value)
    dark = draws.chance(0.5)
    second_hue, shift = start + draws.between(0, 0.25), draws.between(0, 0.15)
    pale = rgb(second_hue, 0.1 + shift, 1 - 0.2 * shift)
    deep = rgb(second_hue, 0.6 + shift, 0.15 + shift)
    return main, pale + dark[:, None] * (deep - pale)


def _surface(draws: Draws, labels: NDArray[np.int64], u: Plane, v: Plane) -> Plane:
    """Return the colours (n×3×32×32) of a surface with the classes' texture and palette, at coordinates in pixels."""
    cosine, sine = (part[:, None, None] for part in direction(draws.between(0, 1)))
    period = np.broadcast_to(draws.between(4.4, 6)[:, None, None], u.shape)
    pattern = choose(TEXTURES, labels // 2 % 5, u * cosine + v * sine, v * cosine - u * sine, period)
    main, second = _tones(draws, labels % 2)
    surface = np.empty((len(labels), 3, SIDE, SIDE), np.float32)
    surface[:] = main[:, :, None, None]
    paint(surface, second, pattern)
    return surface


def _object(canvas: Plane, draws: Draws, labels: NDArray[np.int64]) -> tuple[Plane, Plane]:
    """Paint the object that gives the image its class; return its centre.

    Most objects are large and solid; a tail of small and faded ones keeps the best reachable accuracy below 100 %.
    """
    radius: Plane = draws.between(8, 11.5) - draws.tail() * np.float32(5)
    ratio = draws.between(0.85, 1.18)
    x, y = (draws.between(-1, 1) * (np.float32(17) - radius) for _ in range(2))
    u, v = frame(x, y, draws.between(0, 1))
    wide, high = (radius * ratio)[:, None, None], (radius / ratio)[:, None, None]
    distance = choose(SHAPES, labels // 10, u / wide, v / high) * radius[:, None, None]
    surface = _surface(draws, labels, u, v)
    surface *= (1 + draws.between(-0.25, 0.25)[:, None, None] * (u / wide))[:, None]
    halo = np.clip(1 - distance / 3, 0, 1) * draws.between(0, 0.5)[:, None, None]
    canvas *= (1 - halo)[:, None]
    paint(canvas, surface, coverage(distance) * (1 - 0.95 * draws.tail())[:, None, None])
    return x, y


def _occluder(canvas: Plane, draws: Draws, x: Plane, y: Plane) -> None:
    """Paint a bar in front of most objects, a little off their middle."""
    u, v = frame(x, y, draws.between(0, 1))
    distance = np.maximum(
        np.abs(u - draws.between(1, 7)[:, None, None]) - (draws.between(0.6, 1.8) + 3.5 * draws.tail())[:, None, None],
        np.abs(v) - draws.between(6, 30)[:, None, None],
    )
    colour = rgb(draws.between(0, 1), draws.between(0.1, 0.8), draws.between(0.15, 0.95))
    paint(canvas, colour, coverage(distance) * draws.chance(0.55)[:, None, None])


def _finish(canvas: Plane, draws: Draws, noise: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return n×32×32×3 bytes: exposure, colour cast and pixel noise applied."""
    exposure = draws.between(0.75, 1.2)[:, None] * (draws.unit(3) * np.float32(0.2) + np.float32(0.9))
    canvas *= exposure[:, :, None, None]
    grain = noise.astype("<u8").view(np.uint8).reshape(canvas.shape).astype(np.float32) - np.float32(127.5)
    canvas += grain * (draws.between(0, 0.08) * np.float32(1 / 127.5))[:, None, None, None]
    return (np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(0, 2, 3, 1)


def _draw(words: NDArray[np.uint64], noise: NDArray[np.uint64]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the images and labels of whole blocks from their words."""
    order = words[:, 0].reshape(-1, BLOCK).argsort(axis=1, kind="stable")
    labels = order.reshape(-1).astype(np.int64)
    draws = Draws(words[:, 1:])
    canvas = _background(draws, len(labels))
    for _ in range(4):
        _clutter(canvas, draws)
    x, y = _object(canvas, draws, labels)
    _occluder(canvas, draws, x, y)
    return _finish(canvas, draws, noise), labels.astype(np.uint8)


def batches(split: str, count: int, seed: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yield the first `count` images (n×32×32×3) and labels (n) of a split, a few blocks of 100 at a time."""
    step = BLOCK * BLOCKS_AT_ONCE
    for start in range(0, count, step):
        blocks = range(start // BLOCK, -(-min(start + step, count) // BLOCK))
        words, noise = (np.concatenate(part) for part in zip(*(_words(seed, split, b) for b in blocks), strict=True))
        images, labels = _draw(words, noise)
        yield images[: count - start], labels[: count - start]
