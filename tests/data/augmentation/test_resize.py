"""Resizing is Pillow's to the bit."""

import numpy as np
import pytest
import torch
from PIL import Image

from bench.data.augmentation.resize import resize

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)
IMAGES[0], IMAGES[1] = 255, np.where(np.indices((32, 32)).sum(0) % 2, 255, 0)[..., None]


@pytest.mark.parametrize("size", [1, 7, 16, 19, 20, 24, 28, 31, 32, 40])
def test_a_batch_is_resized_as_pillow_resizes_each_image(size: int) -> None:
    ours = resize(torch.from_numpy(IMAGES), size).numpy()
    theirs = [np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)) for image in IMAGES]
    np.testing.assert_array_equal(ours, np.stack(theirs))


def test_each_axis_is_resized_on_its_own() -> None:
    wide = IMAGES[:, :20]
    theirs = [np.asarray(Image.fromarray(image).resize((24, 24), Image.Resampling.BILINEAR)) for image in wide]
    np.testing.assert_array_equal(resize(torch.from_numpy(wide), 24).numpy(), np.stack(theirs))
