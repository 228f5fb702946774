"""The arithmetic on values, for every input there is, against Pillow."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from bench.data.augmentation.operations import OPERATIONS, numbers
from bench.data.augmentation.pointwise import luma, mix_, smooth, truncate_
from bench.data.augmentation.policies import make_space
from tests.data.augmentation.reference import DRAWING


def test_luma_is_pillows_for_every_colour() -> None:
    for red in range(256):
        colours = np.empty((256, 256, 3), np.uint8)
        colours[..., 0] = red
        colours[..., 1], colours[..., 2] = np.ogrid[:256, :256]
        ours = luma(*torch.from_numpy(colours).float().unbind(-1))
        assert np.array_equal(ours.numpy(), np.array(Image.fromarray(colours).convert("L")))


@pytest.mark.parametrize("policy", DRAWING)
def test_blend_is_pillows_for_every_pair_of_values_and_factor(policy: str) -> None:
    space = make_space(policy, 32, 32)
    degenerate, value = (np.broadcast_to(v, (256, 256)).astype(np.uint8) for v in np.ogrid[:256, :256])
    for setting in range(2 * space.bins):
        magnitude = float(space.magnitudes[numbers()["color"], setting])
        theirs = Image.blend(Image.fromarray(degenerate), Image.fromarray(value), 1.0 + magnitude)
        factor = torch.tensor([OPERATIONS["color"].parameter(magnitude, 32, 32)])
        mixed = mix_(torch.from_numpy(value).float(), torch.from_numpy(degenerate).float(), factor)
        ours = truncate_(torch.empty(256, 256, dtype=torch.uint8), mixed)
        assert np.array_equal(ours.numpy(), np.array(theirs)), magnitude


def test_smooth_is_pillows_for_every_sum() -> None:
    # Blocks of 3×3 whose weighted sums are 0, 1, 2, … 13 × 255: the centre takes what its neighbours cannot.
    totals = np.arange(13 * 255 + 1)
    centre = np.maximum(0, -(-(totals - 8 * 255) // 5))
    rest = totals - 5 * centre
    neighbours = rest[:, None] // 8 + (np.arange(8) < rest[:, None] % 8)
    blocks = np.insert(neighbours, 4, centre, axis=1)
    assert blocks.max() <= 255
    images = blocks.reshape(-1, 3, 3).astype(np.uint8)
    theirs = [np.array(Image.fromarray(image).filter(ImageFilter.SMOOTH))[1, 1] for image in images]
    ours = smooth(torch.from_numpy(images).unsqueeze(-1).repeat(1, 1, 1, 3))
    assert ours[:, 0, 0, 0].tolist() == theirs
