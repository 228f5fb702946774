"""Random erasing: the boxes drawn, compared with torchvision's own, and what erasing does to the pixels."""

import math
from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from torchvision.transforms import RandomErasing

from bench.data.augmentation.erasing import NONE, RATIO, SCALE, _fitting, draw_boxes, erase_
from bench.data.augmentation.policies import Draws

N = 40_000
LEAST_P = 1e-4


def boxes_of(chance: float = 1.0, height: int = 32, width: int = 32, scale: tuple[float, float] = SCALE) -> NDArray:
    draw = Draws(0, 0, torch.arange(N))
    return draw_boxes(draw, chance, height, width, scale, RATIO)


@lru_cache
def their_boxes(height: int = 32, width: int = 32, scale: tuple[float, float] = SCALE) -> NDArray:
    """Return 15,000 boxes that torchvision drew, of no size where none fitted."""
    torch.manual_seed(0)
    image = torch.zeros(3, height, width)
    boxes = [RandomErasing.get_params(image, scale, RATIO, [0.0])[:4] for _ in range(15_000)]
    result = np.array(boxes)
    result[(result[:, 2] == height) & (result[:, 3] == width)] = 0
    return result


@pytest.mark.parametrize("chance", [0.0, 0.1, 0.5, 1.0])
def test_so_many_are_erased(chance: float) -> None:
    erased = int((boxes_of(chance)[:, 2] > 0).sum())
    assert stats.binomtest(erased, N, chance).pvalue > LEAST_P


def test_boxes_lie_inside_at_the_recipes_areas_and_ratios() -> None:
    top, left, rows, columns = boxes_of().T
    assert (rows > 0).all()
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + rows <= 32).all()
    assert (left + columns <= 32).all()
    # Rounding the sides moves both by at most half a pixel.
    assert ((rows - 0.5) * (columns - 0.5) <= SCALE[1] * 1024).all()
    assert ((rows + 0.5) * (columns + 0.5) >= SCALE[0] * 1024).all()
    assert ((rows - 0.5) / (columns + 0.5) <= RATIO[1]).all()
    assert ((rows + 0.5) / (columns - 0.5) >= RATIO[0]).all()


@pytest.mark.parametrize("shape", [(32, 32, SCALE), (20, 40, SCALE), (16, 16, (0.3, 0.9))], ids=str)
def test_boxes_are_distributed_as_torchvisions(shape: tuple[int, int, tuple[float, float]]) -> None:
    ours, theirs = boxes_of(1.0, *shape), their_boxes(*shape)
    table = [[int((boxes[:, 2] == 0).sum()) + 1, int((boxes[:, 2] > 0).sum())] for boxes in (ours, theirs)]
    assert stats.chi2_contingency(table).pvalue > LEAST_P
    ours, theirs = ours[ours[:, 2] > 0], theirs[theirs[:, 2] > 0]
    for column in range(4):
        values = np.arange(64)
        counts = np.stack([np.bincount(boxes[:, column], minlength=64)[values] for boxes in (ours, theirs)])
        assert stats.chi2_contingency(counts[:, counts.sum(0) > 20]).pvalue > LEAST_P
    for quantity in (lambda b: b[:, 2] * b[:, 3], lambda b: b[:, 2] / b[:, 3]):
        assert stats.ks_2samp(quantity(ours), quantity(theirs)).pvalue > LEAST_P


def test_places_are_uniform_given_the_size() -> None:
    top, left, rows, columns = boxes_of().T
    share = (top + 0.5) / (33 - rows), (left + 0.5) / (33 - columns)
    for values in share:
        assert stats.kstest(values + np.random.default_rng(0).uniform(-0.01, 0.01, N), "uniform").statistic < 0.03
    assert abs(stats.spearmanr(*share).statistic) < 0.02


def test_a_box_that_does_not_fit_is_drawn_again_up_to_ten_times() -> None:
    draw = Draws(0, 0, torch.arange(N))
    first = _fitting(draw, range(1), 32, 32, SCALE, RATIO)
    failed = first[0] == NONE
    assert 0 < failed.mean() < 0.02
    assert np.array_equal(boxes_of()[~failed, 2:], first[:, ~failed].T)
    assert (boxes_of()[failed, 2] > 0).all()
    # Areas so large that most attempts fail: with ten attempts of chance q each, q^10 stay without a box.
    large = boxes_of(scale=(0.9, 1.0))
    chance = (_fitting(draw, range(1), 32, 32, (0.9, 1.0), RATIO)[0] == NONE).mean()
    assert math.isclose((large[:, 2] == 0).mean(), chance**10, rel_tol=0.1)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_erases_the_box_and_nothing_else(data: st.DataObject) -> None:
    height, width, number = (data.draw(st.integers(1, most)) for most in (12, 40, 4))
    boxes = []
    for _ in range(number):
        top, left = data.draw(st.integers(0, height)), data.draw(st.integers(0, width))
        boxes.append([top, left, data.draw(st.integers(0, height - top)), data.draw(st.integers(0, width - left))])
    images = -1 - torch.rand(number, height, width, 3)
    expected = images.clone()
    for image, (top, left, rows, columns) in zip(expected, boxes, strict=True):
        image[top : top + rows, left : left + columns] = 0
    erase_(images, np.array(boxes))
    assert torch.equal(images, expected)
    assert not torch.signbit(images[images == 0]).any()


def test_part_of_a_batch_can_be_erased() -> None:
    images = torch.ones(4, 8, 8, 3)
    erase_(images[1:3], np.array([[0, 0, 8, 8], [7, 7, 1, 1]]))
    assert images.sum((1, 2, 3)).tolist() == [192, 0, 189, 192]
