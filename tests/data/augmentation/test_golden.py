"""The draws and pixels of each policy, pinned: what is added to the table of operations must not change them."""

import hashlib
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.data.augmentation import operations, policies
from bench.data.augmentation.operations import OPERATIONS, STANDARD, Operation, bits, mask, on_device, tabulate
from bench.data.augmentation.plan import make_plan
from bench.data.augmentation.policies import POLICIES, Policy
from tests.data.augmentation.reference import recipe, train_bytes

COUNT = 400
IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (COUNT, 32, 32, 3), np.uint8))
INDICES = torch.arange(7, 7 + COUNT)
# SHA-256 of the names and settings that are drawn, and of the bytes that come out, for seed 3 and epoch 5.
GOLDEN = {
    "none": ("4f53cda18c2baa0c", "bfd50b6d93df1dbe"),
    "trivial_augment_wide": ("e68330739f8e192b", "2a06d1e04bdc35ce"),
    "rand_augment": ("833d21b2b87f2d6b", "9e56c9fd294d4323"),
    "auto_augment": ("6054cdae0f255f6f", "7ef05a79e4491cfe"),
}


def digests(policy: str, table: Mapping[str, Operation] = OPERATIONS) -> tuple[str, str]:
    """Return the hashes of a policy's draws and of the images that it makes."""
    augmentation = recipe(policy=policy, erasing=0.0)
    plan = make_plan(INDICES, seed=3, epoch=5, augmentation=augmentation, size=(32, 32))
    names = list(table)
    drawn = [[(names[o], int(s)) for o, s in zip(x.operation, x.setting, strict=True)] for x in plan.stages]
    changed = train_bytes(IMAGES, INDICES, seed=3, epoch=5, augmentation=augmentation)
    return tuple(hashlib.sha256(part).hexdigest()[:16] for part in (repr(drawn).encode(), changed.numpy().tobytes()))  # type: ignore[return-value]


@pytest.mark.parametrize("policy", GOLDEN)
def test_draws_and_pixels_are_what_they_were(policy: str) -> None:
    assert digests(policy) == GOLDEN[policy]


def flip_bits_(images: Tensor, masks: Tensor) -> Tensor:
    """Change in place the bits of each value that its image's mask has."""
    return images.bitwise_xor_(masks.view(-1, 1, 1, 1))


def test_an_operation_is_one_row_and_changes_no_draw_of_the_policies_that_do_not_list_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A toy operation in the first place, which gives every other one a new number, and a policy that draws it."""
    toy = Operation(on_device(flip_bits_), mask, {STANDARD: bits(4)})
    with_toy = {"flip_bits": toy, **OPERATIONS}
    monkeypatch.setattr(operations, "OPERATIONS", with_toy)
    tabulate.cache_clear()
    try:
        for policy in GOLDEN:
            assert digests(policy, with_toy) == GOLDEN[policy]
        mine = Policy(policies.trivial_augment_wide, lambda augmentation: 1, ("identity", "flip_bits"), STANDARD, 10)
        monkeypatch.setitem(POLICIES, "toy", mine)
        augmentation = recipe(policy="toy", erasing=0.0, crop_padding=0, flip=False)
        changed = train_bytes(IMAGES, INDICES, seed=3, epoch=5, augmentation=augmentation)
        (stage,) = make_plan(INDICES, seed=3, epoch=5, augmentation=augmentation, size=(32, 32)).stages
    finally:
        tabulate.cache_clear()
    pairs = zip(stage.operation, stage.setting, strict=True)
    masks = [256 - 2 ** round(bin / (9 / 4)) for bin in range(10)]
    wanted = [0 if operation else masks[setting // 2] for operation, setting in pairs]
    assert set(stage.operation.tolist()) == {0, 1}
    assert torch.equal(changed, IMAGES ^ torch.tensor(wanted, dtype=torch.uint8).view(-1, 1, 1, 1))


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_lists_all_that_it_draws(policy: str) -> None:
    plan = make_plan(torch.arange(5000), seed=0, epoch=0, augmentation=recipe(policy=policy), size=(32, 32))
    names = list(OPERATIONS)
    drawn = {names[number] for stage in plan.stages for number in stage.operation.tolist()}
    assert drawn == set(POLICIES[policy].operations)
