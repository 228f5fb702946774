"""Each operation, at each magnitude and sign, bit for bit as torchvision on PIL images."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import autoaugment

from bench.data.augmentation.geometry import slide_, warp_
from bench.data.augmentation.operations import OPERATIONS, Space, apply_sorted_, numbers
from bench.data.augmentation.policies import make_space
from tests.data.augmentation.reference import (
    DRAWING,
    THEIR_NAMES,
    drawn_images,
    edge_images,
    real_images,
    theirs_on_all,
)

SOURCES = {"edge": edge_images, "drawn": lambda: drawn_images(24), "real": lambda: real_images(24)}


def apply_operation(images: torch.Tensor, name: str, setting: int, space: Space) -> torch.Tensor:
    """Return uint8 B×H×W×3 images that all underwent one operation at one setting (2 × bin + sign)."""
    operation, settings = np.full(len(images), numbers()[name]), np.full(len(images), setting)
    return apply_sorted_(images.clone(memory_format=torch.contiguous_format), operation, settings, space)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("policy", DRAWING)
def test_equals_torchvision_at_every_setting(policy: str, name: str, source: str) -> None:
    images = SOURCES[source]()
    space = make_space(policy, 32, 32)
    magnitudes = space.magnitudes[numbers()[name]]
    for setting in np.unique(magnitudes, return_index=True)[1].tolist():
        ours = apply_operation(torch.from_numpy(images), name, setting, space)
        theirs = theirs_on_all(images, name, setting, space)
        assert torch.equal(ours, theirs), f"{name} at {magnitudes[setting]}"


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_equals_torchvision_at_any_size(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 45)), data.draw(st.integers(1, 45))
    policy = data.draw(st.sampled_from(sorted(DRAWING)))
    space = make_space(policy, height, width)
    name = data.draw(st.sampled_from(list(OPERATIONS)))
    setting = data.draw(st.integers(0, 2 * space.bins - 1))
    low, high = sorted(data.draw(st.tuples(st.integers(0, 255), st.integers(0, 255))))
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    images = random.integers(low, high + 1, (2, height, width, 3)).astype(np.uint8)
    ours = apply_operation(torch.from_numpy(images), name, setting, space)
    assert torch.equal(ours, theirs_on_all(images, name, setting, space))


def test_a_sorted_batch_is_every_operation_by_itself() -> None:
    images = torch.from_numpy(drawn_images(100))
    space = make_space("trivial_augment_wide", 32, 32)
    random, names = np.random.default_rng(1), list(OPERATIONS)
    operation, setting = np.sort(random.integers(0, len(OPERATIONS), 100)), random.integers(0, 62, 100)
    together = apply_sorted_(images.clone(), operation, setting, space)
    for sample in range(100):
        alone = apply_operation(images[sample : sample + 1], names[operation[sample]], setting[sample], space)
        assert torch.equal(together[sample], alone[0])


def test_rows_moved_as_runs_equal_the_gather_of_pixels() -> None:
    space = make_space("trivial_augment_wide", 32, 32)
    images = torch.from_numpy(drawn_images(62))
    for name in ("shear_x", "translate_x", "translate_y"):
        magnitudes = space.magnitudes[numbers()[name]]
        coefficients = np.stack([OPERATIONS[name].parameter(magnitude, 32, 32) for magnitude in magnitudes])
        assert torch.equal(slide_(images.clone(), coefficients), warp_(images.clone(), coefficients))


def test_operation_does_not_touch_its_input() -> None:
    images = torch.from_numpy(drawn_images(4))
    before = images.clone()
    for name in OPERATIONS:
        apply_operation(images, name, 41, make_space("trivial_augment_wide", 32, 32))
    assert torch.equal(images, before)


THEIR_POLICIES = {
    "trivial_augment_wide": lambda: autoaugment.TrivialAugmentWide()._augmentation_space(31),
    "rand_augment": lambda: autoaugment.RandAugment()._augmentation_space(31, (32, 40)),
    "auto_augment": lambda: autoaugment.AutoAugment()._augmentation_space(10, (32, 40)),
}


@pytest.mark.parametrize("policy", DRAWING)
def test_magnitudes_are_torchvisions(policy: str) -> None:
    space, theirs = make_space(policy, 32, 40), THEIR_POLICIES[policy]()
    for name in OPERATIONS:
        if THEIR_NAMES[name] not in theirs:
            continue
        values, signed = theirs[THEIR_NAMES[name]]
        expected = values.double().expand(space.bins).tolist()
        assert signed == OPERATIONS[name].signed
        assert space.magnitudes[numbers()[name], 0::2].tolist() == expected
        signs = -1 if signed else 1
        assert space.magnitudes[numbers()[name], 1::2].tolist() == [signs * value for value in expected]


def test_every_operation_of_torchvision_is_there() -> None:
    ours = {THEIR_NAMES[name] for name in OPERATIONS}
    assert ours == set(THEIR_POLICIES["trivial_augment_wide"]()) | set(THEIR_POLICIES["auto_augment"]())


def test_quarter_turn_is_exact() -> None:
    space = make_space("trivial_augment_wide", 32, 32)
    setting = int(np.flatnonzero(space.magnitudes[numbers()["rotate"]] == 90)[0])
    images = torch.from_numpy(drawn_images(3))
    assert torch.equal(apply_operation(images, "rotate", setting, space), torch.rot90(images, 1, (1, 2)))
    assert math.isclose(space.magnitudes[numbers()["rotate"], setting + 1], -90)
    assert torch.equal(apply_operation(images, "rotate", setting + 1, space), torch.rot90(images, -1, (1, 2)))
