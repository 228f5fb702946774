"""Shapes as signed distances, textures as two-tone patterns, and how they are painted: arithmetic for `shapes100`.

Only + − × ÷, square root, comparison and rounding are used, which IEEE 754 fixes to the last bit: no sine, power,
matrix product or summation whose result depends on the platform's library. Arrays are float32; one row of a batch is
one image.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

SIDE = 32
# Pixel centres relative to the middle of the image; `y` grows downwards.
_CENTRES = np.arange(SIDE, dtype=np.float32) - np.float32(SIDE / 2 - 0.5)


# The normals of a regular pentagon's sides.
_PENTAGON = (
    (0.0, 1.0),
    (0.9510565, 0.309017),
    (-0.9510565, 0.309017),
    (0.5877853, -0.809017),
    (-0.5877853, -0.809017),
)


def direction(turns: Plane) -> tuple[Plane, Plane]:
    """Return (cosine, sine) of angles in turns from 0 to 1, by Taylor series about half a turn (error below 1e-9)."""
    angle = (turns.astype(np.float64) - 0.5) * 6.283185307179586
    square = angle * angle
    cosine, sine = np.ones_like(angle), np.ones_like(angle)
    for k in range(14, 0, -1):
        cosine = 1.0 - square / ((2 * k - 1) * (2 * k)) * cosine
        sine = 1.0 - square / ((2 * k) * (2 * k + 1)) * sine
    # cos(t) = −cos(t − π), sin(t) = −sin(t − π)
    return (-cosine).astype(np.float32), (-angle * sine).astype(np.float32)


def length(u: Plane, v: Plane) -> Plane:
    """Return the Euclidean length of (u, v)."""
    return np.sqrt(u * u + v * v)


def _disc(u: Plane, v: Plane) -> Plane:
    """Return the distance to a disc."""
    return length(u, v) - 0.9


def _ring(u: Plane, v: Plane) -> Plane:
    """Return the distance to a thick ring."""
    return np.abs(length(u, v) - 0.72) - 0.3


def _square(u: Plane, v: Plane) -> Plane:
    """Return the distance to a square."""
    return np.maximum(np.abs(u), np.abs(v)) - 0.8


def _triangle(u: Plane, v: Plane) -> Plane:
    """Return the distance to an equilateral triangle that points up."""
    side: Plane = np.abs(u) * 0.8660254 - v * 0.5
    return np.maximum(v - 0.58, side - 0.58)


def _star(u: Plane, v: Plane) -> Plane:
    """Return the distance to a five-pointed star: inside at least four of five half-planes, so the second largest."""
    first: Plane = np.full_like(u, -9.0)
    second: Plane = np.full_like(u, -9.0)
    for x, y in _PENTAGON:
        side = u * x + v * y
        second = np.maximum(second, np.minimum(first, side))
        first = np.maximum(first, side)
    return second - 0.38


def _cross(u: Plane, v: Plane) -> Plane:
    """Return the distance to an upright cross with equal arms."""
    u, v = np.abs(u), np.abs(v)
    return np.maximum(np.maximum(u, v) - 1.0, np.minimum(u, v) - 0.36)


def _heart(u: Plane, v: Plane) -> Plane:
    """Return the distance to a heart: a square on its corner and a disc on each of its upper sides."""
    u, v = np.abs(u), v - 0.1
    corner = (u + np.abs(v) - 0.84) * 0.7071068
    return np.minimum(corner, length(u - 0.42, v + 0.42) - 0.594)


def _crescent(u: Plane, v: Plane) -> Plane:
    """Return the distance to a crescent: a disc less a disc beside it."""
    u = u + 0.12
    return np.maximum(length(u, v) - 1.0, 0.78 - length(u - 0.52, v))


def _arrow(u: Plane, v: Plane) -> Plane:
    """Return the distance to an arrow that points up."""
    u = np.abs(u)
    head = np.maximum(v - 0.05, (u - (v + 1.05) * 0.82) * 0.773)
    return np.minimum(head, np.maximum(u - 0.32, np.abs(v - 0.5) - 0.5))


def _hourglass(u: Plane, v: Plane) -> Plane:
    """Return the distance to an upright hourglass."""
    u, v = np.abs(u), np.abs(v)
    return np.maximum(v - 0.9, (u - v * 0.8 - 0.14) * 0.7808688)


# Signed distance (negative inside, about one unit in radius) at coordinates in the shape's own frame.
SHAPES: dict[str, Callable[[Plane, Plane], Plane]] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
    "heart": _heart,
    "crescent": _crescent,
    "arrow": _arrow,
    "hourglass": _hourglass,
}


def wave(t: Plane) -> Plane:
    """Return a triangle wave of period 1 between −1 and 1."""
    return np.abs(t - np.floor(t) - 0.5) * 4.0 - 1.0


def _edge(signal: Plane, period: Plane) -> Plane:
    """Return a soft step from 0 to 1 about one pixel wide for a triangle wave of a period in pixels."""
    return np.clip(signal * period * 0.25 + 0.5, 0.0, 1.0)


def _plain(u: Plane, v: Plane, period: Plane) -> Plane:
    """Return no pattern."""
    return np.zeros_like(u)


def _striped(u: Plane, v: Plane, period: Plane) -> Plane:
    """Return straight stripes."""
    return _edge(wave(u / period), period)


def _checked(u: Plane, v: Plane, period: Plane) -> Plane:
    """Return a checkerboard."""
    wide = period * 1.35
    across, along = _edge(wave(u / wide), wide), _edge(wave(v / wide), wide)
    return across + along - 2.0 * across * along


def _dotted(u: Plane, v: Plane, period: Plane) -> Plane:
    """Return dots on a square grid."""
    x, y = u / period, v / period
    apart = length(x - np.floor(x) - 0.5, y - np.floor(y) - 0.5)
    return np.clip((0.33 - apart) * period + 0.5, 0.0, 1.0)


def _ringed(u: Plane, v: Plane, period: Plane) -> Plane:
    """Return rings about the middle of the object."""
    return _edge(wave(length(u, v) / period + 0.25), period)


# Share of the second tone, 0 to 1, at coordinates in pixels in the object's frame and a period in pixels.
TEXTURES: dict[str, Callable[[Plane, Plane, Plane], Plane]] = {
    "plain": _plain,
    "striped": _striped,
    "checked": _checked,
    "dotted": _dotted,
    "ringed": _ringed,
}


def frame(x: Plane, y: Plane, turns: Plane) -> tuple[Plane, Plane]:
    """Return pixel coordinates (n×32×32 each) in frames centred on (x, y) and rotated by `turns`."""
    cosine, sine = (part[:, None, None] for part in direction(turns))
    across, down = _CENTRES - x[:, None, None], _CENTRES[:, None] - y[:, None, None]
    return across * cosine + down * sine, down * cosine - across * sine


def choose(table: dict[str, Callable[..., Plane]], choice: NDArray[np.int64], *planes: Plane) -> Plane:
    """Return `table[choice[i]]` applied to row i of the planes, one call per entry that occurs."""
    result = np.empty_like(planes[0])
    for number, function in enumerate(table.values()):
        rows = np.flatnonzero(choice == number)
        if rows.size:
            result[rows] = function(*(plane[rows] for plane in planes))
    return result


def rgb(hue: Plane, saturation: Plane, value: Plane) -> Plane:
    """Return n×3 colours from hue (in turns, any real number), saturation and value (0 to 1)."""
    sector = (hue[:, None] + np.array([0.0, 2 / 3, 1 / 3], np.float32)) % np.float32(1.0) * np.float32(6.0)
    pure = np.clip(np.abs(sector - 3.0) - 1.0, 0.0, 1.0)
    return value[:, None] * (1.0 - saturation[:, None] * (1.0 - pure))


def paint(canvas: Plane, colour: Plane, cover: Plane) -> None:
    """Blend colours (n×3 or n×3×32×32) into the canvas (n×3×32×32), in place, where `cover` (n×32×32) is above 0."""
    colour = colour[:, :, None, None] if colour.ndim == 2 else colour
    # Channel by channel, so that what is computed with stays in a processor's cache.
    for channel in range(3):
        plane = canvas[:, channel]
        change = colour[:, channel] - plane
        change *= cover
        plane += change


def coverage(distance: Plane) -> Plane:
    """Return how much of a pixel lies inside an edge `distance` pixels away: an anti-aliased step."""
    return np.clip(0.5 - distance, 0.0, 1.0)


def stretch(grid: Plane) -> Plane:
    """Return n×32×32 planes interpolated linearly from n×g×g grids whose outer points are the image's corners."""
    last = grid.shape[-1] - 1
    at = np.arange(SIDE, dtype=np.float32) * np.float32(last / (SIDE - 1))
    low = np.minimum(at.astype(np.int64), last - 1)
    share = at - low.astype(np.float32)
    rows = grid[:, low] + share[:, None] * (grid[:, low + 1] - grid[:, low])
    return rows[:, :, low] + share * (rows[:, :, low + 1] - rows[:, :, low])
