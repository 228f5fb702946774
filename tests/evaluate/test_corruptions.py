"""Corruptions: against the published program's statistics and libraries' own operations, and keyed by image."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.colors import hsv_to_rgb, rgb_to_hsv
from numpy.typing import NDArray
from scipy import ndimage, stats

from bench.data.layout import Images
from bench.evaluate import corruptions
from bench.evaluate.corrupt.blur import disk, zoom
from bench.evaluate.corrupt.digital import mirror, reflect, sample
from bench.evaluate.corrupt.draws import Draws
from bench.evaluate.corrupt.kinds import KINDS, SEVERITIES, corrupt
from bench.evaluate.corruptions import measure, show
from bench.evaluate.trained import load_trained, predict
from tests.data.drawn import draw

# What the authors' program (hendrycks/robustness, make_cifar_c.py, with OpenCV, scikit-image and ImageMagick) made of
# the first 100 test images of shapes100: mean and root mean square of the change, and mean step between neighbours.
PUBLISHED = json.loads((Path(__file__).parent / "published_corruptions.json").read_text())
DETERMINISTIC = (
    *("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression", "gaussian_blur"),
    "saturate",
)


@pytest.fixture(scope="module")
def images() -> Images:
    """Return the first 100 test images of shapes100."""
    return draw("test", 100)[0]


def statistics(before: Images, after: Images) -> list[float]:
    """Return what PUBLISHED holds of a kind and severity."""
    change = after.astype(float) - before
    steps = np.abs(np.diff(after.astype(float), axis=2))
    return [float(change.mean()), float(np.sqrt((change**2).mean())), float(steps.mean())]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_changes_images_as_the_published_program_does(kind: str, images: Images) -> None:
    rows = torch.arange(len(images))
    for severity, expected in zip(SEVERITIES, PUBLISHED[kind], strict=True):
        found = statistics(images, corrupt(images, rows, kind, severity))
        tolerance = 0.1 if kind in DETERMINISTIC else 1.5
        assert found == pytest.approx(expected, rel=0.06, abs=tolerance), severity


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_corrupted_alike_in_any_batch(kind: str, images: Images) -> None:
    few, rows = images[:12], torch.arange(100, 112)
    severities = (1, 4) if kind == "spatter" else (3,)
    for severity in severities:
        together = corrupt(few, rows, kind, severity)
        assert together.dtype == np.uint8
        assert together.shape == few.shape
        order = [7, 2, 11]
        np.testing.assert_array_equal(corrupt(few[order], rows[order], kind, severity), together[order])
        if kind not in DETERMINISTIC:
            assert (corrupt(few, rows + 100, kind, severity) != together).any()


def test_draws_differ_and_are_what_they_say() -> None:
    draws = Draws("snow", 2, torch.arange(50))
    uniform, normal = draws.uniform(400), draws.normal(400)
    assert stats.kstest(uniform.ravel(), "uniform").pvalue > 1e-3
    assert stats.kstest(normal.ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(uniform.ravel(), normal.ravel())[0, 1]) < 0.03
    integers = draws.integers(1000, low=-1, high=1)
    assert np.bincount((integers + 1).ravel()).tolist() == pytest.approx([25_000, 25_000], rel=0.03)


def test_shot_noise_is_poisson() -> None:
    grey = np.full((20, 32, 32, 3), 51, np.uint8)
    counts = np.rint(corrupt(grey, torch.arange(20), "shot_noise", 5) * 50 / 255)
    values, found = np.unique(counts, return_counts=True)
    expected = stats.poisson.pmf(values, 10) * counts.size
    common = expected > 50
    assert (np.abs(found - expected) < 5 * np.sqrt(expected))[common].all()


@pytest.mark.parametrize("factor", [1.0, 1.01, 1.13, 1.25, 1.75, 2.25])
def test_zooming_is_scipys(factor: float) -> None:
    image = np.random.default_rng(0).random((32, 32))
    part = int(np.ceil(32 / factor))
    first = (32 - part) // 2
    expected = ndimage.zoom(image[first : first + part, first : first + part], factor, order=1)
    cut = (len(expected) - 32) // 2
    np.testing.assert_allclose(zoom(image[None], factor)[0], expected[cut : cut + 32, cut : cut + 32])


@pytest.mark.parametrize("mode", ["mirror", "reflect"])
def test_sampling_is_scipys(mode: str) -> None:
    draw = np.random.default_rng(1)
    image, rows, columns = draw.random((9, 7, 3)), draw.uniform(-12, 20, (9, 7)), draw.uniform(-12, 20, (9, 7))
    found = sample(image[None], rows[None], columns[None], {"mirror": mirror, "reflect": reflect}[mode])[0]
    for channel in range(3):
        expected = ndimage.map_coordinates(image[..., channel], (rows, columns), order=1, mode=mode)
        np.testing.assert_allclose(found[..., channel], expected, atol=1e-12)


def with_hsv(images: Images, channel: int, factor: float, more: float) -> NDArray[np.float64]:
    """Return images with one of hue, saturation and value changed, by matplotlib."""
    changed = rgb_to_hsv(images / 255)
    changed[..., channel] = (changed[..., channel] * factor + more).clip(0, 1)
    return 255 * np.asarray(hsv_to_rgb(changed))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_brightness_and_saturation_are_those_of_hsv(severity: int, images: Images) -> None:
    few, rows = images[:9].copy(), torch.arange(9)
    few[0, :8], few[0, 8:16], few[0, 16:24] = 0, 128, 255
    (more,) = KINDS["brightness"].parameters[severity - 1]
    np.testing.assert_allclose(corrupt(few, rows, "brightness", severity), with_hsv(few, 2, 1, more), atol=1.001)
    factor, more = KINDS["saturate"].parameters[severity - 1]
    np.testing.assert_allclose(corrupt(few, rows, "saturate", severity), with_hsv(few, 1, factor, more), atol=1.001)


def test_a_disk_is_round_and_keeps_the_brightness() -> None:
    for radius, alias in KINDS["defocus_blur"].parameters:
        kernel = disk(radius, alias)
        assert kernel.sum() == pytest.approx(1)
        np.testing.assert_allclose(kernel, kernel.T[::-1])


def test_the_evaluator_shows_everybody_the_same_images(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in set(KINDS) - {"gaussian_noise", "contrast", "spatter"}:
        monkeypatch.delitem(KINDS, kind)
    trained = load_trained(finished)
    predictions = predict(trained)
    measured = measure(trained, predictions)
    assert measured["clean_top1"] == predictions.accuracy["top1"]
    for kind, row in measured["kinds"].items():
        images = corrupt(trained.dataset.evaluation.images, torch.arange(40), kind, 5)
        logits = trained.classify(trained.normalise(images))
        assert row[4] == pytest.approx(100 * float((logits.argmax(dim=1) == predictions.labels).double().mean()))
    everything = [value for row in measured["kinds"].values() for value in row]
    assert measured["corruption_top1"] == pytest.approx(np.mean(everything))
    assert measured["main_corruption_top1"] == pytest.approx(np.mean(everything[:10]))
    assert "the same images as they are" in show(measured)[-1]
    monkeypatch.setattr(corruptions, "BATCH", 7)
    assert measure(trained, predictions) == measured
    some = torch.tensor([3, 17, 20])
    part = measure(trained.take(some), predictions.take(some))
    assert all(value in (0, pytest.approx(100 / 3), pytest.approx(200 / 3), 100) for value in part["kinds"]["contrast"])
