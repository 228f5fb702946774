"""shapes100: the same bytes everywhere, balanced, no duplicates, labels that say what is drawn, nothing given away."""

import colorsys
import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data import shapes100
from bench.data.shapes_draw import SHAPES, SIDE, TEXTURES, coverage, direction, frame, rgb, stretch, wave
from tests.data.drawn import draw


def digest(split: str, count: int, seed: int) -> str:
    """Return the SHA-256 of the first images and labels of a split."""
    images, labels = draw(split, count, seed)
    return hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()


GOLDEN = {
    ("train", 200, 0): "25475866c2771d0b47d91e05da3e11d4ceafc7dc105521da7e547177084f3424",
    ("test", 100, 0): "b9af58c562b64c21cf3b789d6aba101fa8146be905ed8c47273e11088751bc95",
    ("train", 100, 2**31 - 1): "0ed99433806f920ed768077a0505deca842052867f958b7629f588c4028a9be2",
}


@pytest.mark.parametrize("drawn", GOLDEN)
def test_bytes_are_those_of_this_version_on_every_platform(drawn: tuple[str, int, int]) -> None:
    assert digest(*drawn) == GOLDEN[drawn], "a pixel changed: raise shapes100.VERSION and measure MEAN and STD again"


@pytest.mark.parametrize("at_once", [2, 3])
@pytest.mark.parametrize("count", [1, 99, 100, 250, 400])
def test_an_image_depends_on_its_index_alone(count: int, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = draw("train", 500, seed=3)
    monkeypatch.setattr(shapes100, "BLOCKS_AT_ONCE", at_once)
    fewer, their_labels = draw("train", count, seed=3)
    assert fewer.shape == (count, SIDE, SIDE, 3)
    np.testing.assert_array_equal(fewer, images[:count])
    np.testing.assert_array_equal(their_labels, labels[:count])


def test_every_hundred_images_hold_every_class_in_an_order_of_their_own() -> None:
    orders = draw("train", 500, seed=0)[1].reshape(5, 100)
    assert (np.sort(orders, axis=1) == np.arange(100)).all()
    assert len({tuple(order) for order in orders}) == 5
    assert (orders != np.arange(100)).any(axis=1).all()


def test_no_image_occurs_twice_in_or_between_splits_or_seeds() -> None:
    drawn = [("train", 2000, 0), ("test", 1000, 0), ("train", 500, 1), ("test", 500, 1)]
    images = [image.tobytes() for arguments in drawn for image in draw(*arguments)[0]]
    assert len(set(images)) == len(images) == 4000


def test_constants_are_those_of_the_images() -> None:
    images, _ = draw("train", 4000, seed=0)
    np.testing.assert_allclose(images.mean((0, 1, 2)) / 255, shapes100.MEAN, atol=5e-3)
    np.testing.assert_allclose(images.std((0, 1, 2)) / 255, shapes100.STD, atol=5e-3)


def test_pixels_alone_do_not_give_the_class_away() -> None:
    train, labels = draw("train", 10_000, seed=0)
    test, expected = draw("test", 1000, seed=0)
    means = np.stack([train[labels == label].mean(0, dtype=np.float32).ravel() for label in range(100)])
    flat = test.reshape(len(test), -1).astype(np.float32)
    nearest = (flat @ means.T - (means**2).sum(1) / 2).argmax(1)
    assert (nearest == expected).mean() < 0.1


def test_classes_are_named_by_what_is_drawn() -> None:
    assert len(set(shapes100.CLASSES)) == 100
    for label, name in enumerate(shapes100.CLASSES):
        shape, texture, palette = list(SHAPES)[label // 10], list(TEXTURES)[label // 2 % 5], label % 2
        assert name == f"{('warm', 'cool')[palette]}_{texture}_{shape}"


def objects() -> np.ndarray:
    """Return objects on black, 100 classes × 8 × 3×32×32; the k-th of all classes differ in the class alone."""
    labels = np.repeat(np.arange(100), 8)
    words = np.tile(np.random.Philox(key=np.array([7, 7], np.uint64)).random_raw((8, 40)), (100, 1))
    canvas = np.zeros((len(labels), 3, SIDE, SIDE), np.float32)
    shapes100._object(canvas, shapes100.Draws(words), labels)
    return canvas.reshape(100, 8, 3, SIDE, SIDE)


def test_warm_objects_are_redder_than_blue_and_cool_ones_the_reverse() -> None:
    colours = objects().mean(axis=(3, 4), dtype=np.float64)
    assert (colours[0::2, :, 0] > colours[0::2, :, 2]).all()
    assert (colours[1::2, :, 0] < colours[1::2, :, 2]).all()


def test_only_patterned_objects_have_two_tones() -> None:
    canvas = objects().reshape(10, 5, 2, 8, 3, -1)
    total = canvas.sum(axis=4)
    # The share of red does not change with light, fading or the softness of an edge: it differs between tones only.
    red = np.where(total > 0.02, canvas[..., 0, :] / np.maximum(total, 0.02), np.nan)
    spread = np.nanmax(red, axis=-1) - np.nanmin(red, axis=-1)
    assert (spread[:, 0] < 1e-3).all()
    assert (spread[:, 1:] > 1e-2).all()


GRID = np.linspace(-2, 2, 81, dtype=np.float32)
U, V = (plane[None].astype(np.float32) for plane in np.meshgrid(GRID, GRID))


@pytest.mark.parametrize("shape", SHAPES)
def test_distances_grow_no_faster_than_space_and_shapes_have_like_size(shape: str) -> None:
    distance = SHAPES[shape](U, V)
    assert distance.dtype == np.float32
    for axis in (1, 2):
        assert np.abs(np.diff(distance, axis=axis)).max() <= 0.05 * 1.001
    area = (distance < 0).mean() * 16
    assert 1.0 < area < 2.8
    assert distance[0, 0, 0] > 0.5
    assert ((distance < 0) <= (U**2 + V**2 < 1.5)).all()


@pytest.mark.parametrize("shape", [name for name in SHAPES if name != "crescent"])
def test_shapes_mirror_left_and_right(shape: str) -> None:
    np.testing.assert_allclose(SHAPES[shape](U, V), SHAPES[shape](-U, V), atol=1e-6)


def test_shapes_differ() -> None:
    inside = [SHAPES[shape](U, V) < 0 for shape in SHAPES]
    for i, one in enumerate(inside):
        for other in inside[:i]:
            assert (one ^ other).sum() > 0.15 * min(one.sum(), other.sum())


@pytest.mark.parametrize("texture", TEXTURES)
def test_textures_share_the_surface_between_two_tones(texture: str) -> None:
    x, y = frame(np.zeros(1, np.float32), np.zeros(1, np.float32), np.zeros(1, np.float32))
    share = TEXTURES[texture](x, y, np.full_like(x, 5.0))
    assert share.dtype == np.float32
    assert share.min() == 0
    assert share.max() == (0 if texture == "plain" else 1)
    assert texture == "plain" or 0.25 < share.mean() < 0.6


@settings(deadline=None)
@given(turns=st.floats(0, 1, exclude_max=True, width=32))
def test_direction_is_cosine_and_sine(turns: float) -> None:
    cosine, sine = direction(np.array([turns], np.float32))
    assert abs(cosine[0] - np.cos(2 * np.pi * turns)) < 1e-6
    assert abs(sine[0] - np.sin(2 * np.pi * turns)) < 1e-6


@settings(deadline=None)
@given(hue=st.floats(-2, 2, width=32), saturation=st.floats(0, 1, width=32), value=st.floats(0, 1, width=32))
def test_rgb_is_that_of_colorsys(hue: float, saturation: float, value: float) -> None:
    ours = rgb(*(np.array([part], np.float32) for part in (hue, saturation, value)))[0]
    np.testing.assert_allclose(ours, colorsys.hsv_to_rgb(hue % 1.0, saturation, value), atol=5e-6)


def test_stretch_is_linear_interpolation_that_keeps_the_corners() -> None:
    grid = np.random.default_rng(0).random((2, 6, 6), np.float32)
    plane = stretch(grid)
    assert plane.shape == (2, SIDE, SIDE)
    np.testing.assert_allclose(
        plane[:, [0, 0, -1, -1], [0, -1, 0, -1]], grid[:, [0, 0, -1, -1], [0, -1, 0, -1]], atol=1e-6
    )
    at = np.linspace(0, 5, SIDE)
    np.testing.assert_allclose(plane[1, 0], np.interp(at, np.arange(6), grid[1, 0]), atol=1e-5)


def test_frames_turn_and_shift_the_pixel_grid() -> None:
    zero, quarter = np.zeros(1, np.float32), np.full(1, 0.25, np.float32)
    u, v = frame(zero, zero, zero)
    assert (u[0, 0, 0], v[0, 0, 0], u[0, 0, -1]) == (-15.5, -15.5, 15.5)
    turned_u, turned_v = frame(zero + 3, zero, quarter)
    np.testing.assert_allclose(turned_u[0], v[0], atol=1e-4)
    np.testing.assert_allclose(turned_v[0], 3 - u[0], atol=1e-4)


def test_wave_and_coverage() -> None:
    np.testing.assert_allclose(wave(np.array([0, 0.25, 0.5, 0.75, 1.5, -0.5], np.float32)), [1, 0, -1, 0, -1, -1])
    np.testing.assert_allclose(coverage(np.array([-9, -0.5, 0, 0.25, 9], np.float32)), [1, 1, 0.5, 0.25, 0])


def test_too_many_draws_are_an_error() -> None:
    draws = shapes100.Draws(np.zeros((2, 3), np.uint64))
    assert draws.unit(3).shape == (2, 3)
    with pytest.raises(IndexError, match="more than 3 draws"):
        draws.below(2)
