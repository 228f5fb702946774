"""What is drawn: operations, magnitudes, signs, crops and flips as often as torchvision draws them."""

from collections import Counter

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import stats
from torchvision import transforms
from torchvision.transforms import autoaugment

from bench.data.augmentation.operations import OPERATIONS, numbers
from bench.data.augmentation.plan import Plan, make_plan
from bench.data.augmentation.policies import AUTO_AUGMENT, make_space
from tests.data.augmentation.reference import THEIR_NAMES, recipe

N = 40_000
Pairs = tuple[tuple[str, float], ...]
LEAST_P = 1e-4  # all numbers are fixed by seeds: a test passes always or never


def plan_of(policy: str, count: int = N, **changes: object) -> Plan:
    return make_plan(torch.arange(count), seed=0, epoch=0, augmentation=recipe(policy=policy, **changes), size=(32, 32))


def is_uniform(values: NDArray[np.int64], count: int) -> bool:
    counts = np.bincount(values, minlength=count)
    return len(counts) == count and stats.chisquare(counts).pvalue > LEAST_P


def alike(ours: Counter, theirs: Counter) -> bool:
    """Return whether two samples of labels may come from one distribution."""
    keys = sorted(set(ours) | set(theirs), key=str)
    return stats.chi2_contingency([[ours[key] for key in keys], [theirs[key] for key in keys]]).pvalue > LEAST_P


def test_crops_and_flips_are_uniform_and_independent() -> None:
    plan = plan_of("none")
    joint = (plan.top * 9 + plan.left) * 2 + plan.flip
    assert is_uniform(joint, 162)
    assert not plan_of("none", flip=False).flip.any()
    assert not plan_of("none", crop_padding=0).top.any()


def test_trivial_augment_draws_operation_bin_and_sign_uniformly() -> None:
    (stage,) = plan_of("trivial_augment_wide").stages
    drawn = np.array([number for name, number in numbers().items() if name != "invert"])
    place = np.searchsorted(drawn, stage.operation)
    assert np.array_equal(drawn[place], stage.operation)
    assert is_uniform(place, 14)
    bins, sign = stage.setting // 2, stage.setting % 2
    assert is_uniform(bins, 31)
    signed = np.array([row.signed for row in OPERATIONS.values()])[stage.operation]
    assert not sign[~signed].any()
    assert is_uniform(sign[signed], 2)
    assert stats.chi2_contingency(np.histogram2d(place, bins, bins=[14, 31])[0]).pvalue > LEAST_P
    assert stats.chi2_contingency(np.histogram2d(place[signed], sign[signed], bins=[9, 2])[0]).pvalue > LEAST_P


def test_policy_is_independent_of_crop_flip_and_erasing() -> None:
    plan = plan_of("trivial_augment_wide")
    for other in (plan.top, plan.left, plan.flip, plan.boxes[:, 2] > 0):
        table = np.histogram2d(plan.stages[0].operation, other, bins=[15, len(np.unique(other))])[0]
        assert stats.chi2_contingency(table[table.any(1)]).pvalue > LEAST_P


def their_draws(policy: torch.nn.Module, count: int, monkeypatch: pytest.MonkeyPatch) -> list[Pairs]:
    """Return, for each of many images, the (operation, magnitude) pairs that torchvision's policy chose."""
    chosen: list[tuple[str, float]] = []

    def remember(image: Image.Image, name: str, magnitude: float, **_: object) -> Image.Image:
        chosen.append((name, magnitude))
        return image

    monkeypatch.setattr(autoaugment, "_apply_op", remember)
    torch.manual_seed(0)
    image, result = Image.new("RGB", (32, 32)), []
    for _ in range(count):
        chosen.clear()
        policy(image)
        result.append(tuple(chosen))
    return result


def our_draws(plan: Plan, policy: str) -> list[Pairs]:
    """Return the same of a plan, identities that AutoAugment's chance left in its place dropped."""
    space, names = make_space(policy, 32, 32), list(OPERATIONS)
    result: list[Pairs] = []
    for sample in range(len(plan.top)):
        pairs = [(int(stage.operation[sample]), int(stage.setting[sample])) for stage in plan.stages]
        kept = [pair for pair in pairs if policy != "auto_augment" or names[pair[0]] != "identity"]
        result.append(tuple((THEIR_NAMES[names[o]], float(space.magnitudes[o, s]) + 0.0) for o, s in kept))
    return result


THEIRS = {
    "trivial_augment_wide": autoaugment.TrivialAugmentWide(),
    "rand_augment": autoaugment.RandAugment(),
    "auto_augment": autoaugment.AutoAugment(autoaugment.AutoAugmentPolicy.CIFAR10),
}


@pytest.mark.parametrize("policy", THEIRS)
def test_draws_are_distributed_as_torchvisions(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = Counter(their_draws(THEIRS[policy], 15_000, monkeypatch))
    ours = Counter(our_draws(plan_of(policy, 30_000), policy))
    # What one of the two never drew must be rare; all else is compared by a chi-squared test of the common ones.
    assert sum(count for key, count in theirs.items() if key not in ours) < 0.01 * 15_000
    assert sum(count for key, count in ours.items() if key not in theirs) < 0.02 * 30_000
    common = {key for key in ours if ours[key] + theirs[key] > 30}
    assert len(common) > 0.5 * len(ours)
    assert alike(
        Counter({key: count for key, count in ours.items() if key in common}),
        Counter({key: count for key, count in theirs.items() if key in common}),
    )


def test_rand_augment_draws_each_stage_anew_at_one_magnitude() -> None:
    plan = plan_of("rand_augment", num_ops=3, magnitude=20)
    assert len(plan.stages) == 3
    assert all((stage.setting // 2 == 20).all() for stage in plan.stages)
    one, two, three = (stage.operation for stage in plan.stages)
    for first, second in ((one, two), (two, three), (one, three)):
        table = np.histogram2d(first, second, bins=15, range=[[0, 15], [0, 15]])[0]
        assert stats.chi2_contingency(table[table.any(1)][:, table.any(0)]).pvalue > LEAST_P


def test_auto_augment_is_torchvisions_table() -> None:
    theirs = autoaugment.AutoAugment(autoaugment.AutoAugmentPolicy.CIFAR10).policies
    ours = tuple(tuple((THEIR_NAMES[name], chance, bins) for name, chance, bins in steps) for steps in AUTO_AUGMENT)
    assert ours == tuple(tuple((name, chance, bins or 0) for name, chance, bins in steps) for steps in theirs)


def test_crops_are_those_of_torchvision() -> None:
    torch.manual_seed(0)
    image = Image.new("RGB", (40, 40))
    theirs = Counter(transforms.RandomCrop.get_params(image, (32, 32))[:2] for _ in range(20_000))
    plan = plan_of("none")
    assert alike(Counter(zip(plan.top.tolist(), plan.left.tolist(), strict=True)), Counter(theirs))
