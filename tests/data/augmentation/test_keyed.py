"""Keyed randomness: the published generator it is built on, its uniformity, its independence, its invariance."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from bench.data.augmentation import keyed
from bench.data.augmentation.keyed import as_integers, keyed_bits, keyed_permutation, keyed_uniform

WORD = 2**64
GOLDEN = 0x9E3779B97F4A7C15
N = 50_000
LEAST_P = 1e-4  # every test below is of fixed numbers: it passes always or never


def split_mix(state: int) -> int:
    """Return SplitMix64's output for a state, from the paper, in Python's integers."""
    z = state % WORD
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
    return z ^ (z >> 31)


def reference_bits(seed: int, epoch: int, index: int, draw: int, purpose: int = 1) -> int:
    """Return what keyed_bits should give, one number at a time."""
    key = 0
    for part in (seed, epoch, purpose):
        key = split_mix((key ^ (part % WORD)) + GOLDEN)
    return split_mix(split_mix((index + 1) * GOLDEN + key) + (draw + 1) * GOLDEN) >> 32


def uniforms(seed: int = 0, epoch: int = 0, draw: int = 0, first: int = 0) -> NDArray[np.float64]:
    return keyed_uniform(seed, epoch, torch.arange(first, first + N), draw).numpy()


def test_mixer_is_splitmix64() -> None:
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    states = [(1234567 + (step + 1) * GOLDEN) % WORD for step in range(4)]
    words = torch.tensor([keyed._signed(state) for state in states])
    assert [int(word) % WORD for word in keyed._mix_(words)] == published
    assert [keyed._mix_word(state) for state in states] == published


@pytest.mark.parametrize(("seed", "epoch"), [(0, 0), (1, 299), (2**31 - 1, 7), (-3, 10**6)])
def test_bits_equal_a_reference_in_plain_integers(seed: int, epoch: int) -> None:
    indices, draws = [0, 1, 31, 49_999, 2**40, 2**62], [0, 5, 67]
    bits = keyed_bits(seed, epoch, torch.tensor(indices), draws)
    assert bits.tolist() == [[reference_bits(seed, epoch, i, d) for i in indices] for d in draws]


def test_permutation_equals_a_reference_in_plain_integers() -> None:
    key = 0
    for part in (3, 5, 2):
        key = split_mix((key ^ part) + GOLDEN)
    words = [split_mix((index + 1) * GOLDEN + key) >> 2 for index in range(1000)]
    assert keyed_permutation(3, 5, 1000).tolist() == sorted(range(1000), key=words.__getitem__)


def test_one_draw_is_a_row_of_several() -> None:
    indices = torch.arange(100)
    several = keyed_bits(1, 2, indices, [4, 0, 9])
    assert several.shape == (3, 100)
    for row, draw in zip(several, [4, 0, 9], strict=True):
        assert torch.equal(row, keyed_bits(1, 2, indices, draw))


def test_bits_depend_on_nothing_but_the_index() -> None:
    whole = keyed_bits(1, 2, torch.arange(1000), 3)
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert torch.equal(keyed_bits(1, 2, order, 3), whole[order])
    assert torch.equal(keyed_bits(1, 2, order[::7], 3), whole[order[::7]])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_bits_are_the_same_on_a_gpu() -> None:
    indices, draws = torch.arange(N), list(range(70))
    assert torch.equal(keyed_bits(1, 2, indices.cuda(), draws).cpu(), keyed_bits(1, 2, indices, draws))


@pytest.mark.parametrize("seed", [0, 1, 17])
@pytest.mark.parametrize("draw", [0, 1, 64])
def test_uniform(seed: int, draw: int) -> None:
    values = uniforms(seed=seed, draw=draw)
    assert values.min() >= 0
    assert values.max() < 1
    assert stats.kstest(values, "uniform").pvalue > LEAST_P


def test_every_bit_is_balanced_and_independent_of_the_others() -> None:
    bits = keyed_bits(0, 0, torch.arange(N), 0).numpy()[:, None] >> np.arange(32) & 1
    assert stats.binomtest(int(bits.sum()), bits.size).pvalue > LEAST_P
    z = (bits.mean(0) - 0.5) * 2 * N**0.5
    assert stats.kstest(z, "norm").pvalue > LEAST_P
    correlations = np.corrcoef(bits.T)[np.triu_indices(32, 1)] * N**0.5
    assert stats.kstest(correlations, "norm").pvalue > LEAST_P


NEIGHBOURS = {
    "draw": [uniforms(draw=d) for d in (0, 1, 2, 3, 64, 65, 66, 67)],
    "index": [uniforms(first=i) for i in (0, 1, 2)],
    "epoch": [uniforms(epoch=e) for e in (0, 1, 2, 299)],
    "seed": [uniforms(seed=s) for s in (0, 1, 2, 1000)],
}


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_neighbours_are_independent(name: str) -> None:
    for one, other in pairwise(NEIGHBOURS[name]):
        counts = np.histogram2d(one, other, bins=16, range=[[0, 1], [0, 1]])[0]
        assert stats.chi2_contingency(counts).pvalue > LEAST_P
        assert abs(stats.pearsonr(one, other).statistic) < 4.5 / N**0.5


def test_one_flipped_bit_of_any_input_flips_half_of_the_output() -> None:
    base = [12345, 17, 4321, 3]
    indices = torch.arange(4000)
    for part in range(4):
        for bit in (0, 1, 5, 11, 20, 30):
            changed = list(base)
            changed[part] ^= 1 << bit
            (seed, epoch, start, draw), (seed2, epoch2, start2, draw2) = base, changed
            one = keyed_bits(seed, epoch, indices + (start << 33), draw).numpy()
            other = keyed_bits(seed2, epoch2, indices + (start2 << 33), draw2).numpy()
            flips = ((one ^ other)[:, None] >> np.arange(32) & 1).mean(0)
            assert abs(flips.mean() - 0.5) < 4.5 * 0.5 / (32 * 4000) ** 0.5
            assert np.abs(flips - 0.5).max() < 5.5 * 0.5 / 4000**0.5


def test_no_two_samples_share_their_stream() -> None:
    words = keyed_bits(0, 0, torch.arange(N), [0, 1]).numpy()
    assert len(np.unique(words[0] << 32 | words[1])) == N


@pytest.mark.parametrize("count", [2, 9, 14, 31, 100])
def test_integers_are_uniform(count: int) -> None:
    values = as_integers(keyed_bits(0, 0, torch.arange(N), 2), count)
    counts = torch.bincount(values, minlength=count).numpy()
    assert len(counts) == count
    assert stats.chisquare(counts).pvalue > LEAST_P


def test_integers_reach_both_ends() -> None:
    ends = torch.tensor([0, 2**32 - 1])
    assert as_integers(ends, 31).tolist() == [0, 30]


@pytest.mark.parametrize("size", [0, 1, 2, 1000])
def test_permutation_is_one(size: int) -> None:
    order = keyed_permutation(0, 0, size)
    assert order.dtype == torch.int64
    assert torch.equal(order.sort().values, torch.arange(size))


def test_permutations_differ_by_seed_and_epoch_and_ignore_global_state() -> None:
    orders = [keyed_permutation(seed, epoch, 1000) for seed in (0, 1) for epoch in (0, 1)]
    torch.manual_seed(0)
    assert torch.equal(keyed_permutation(0, 0, 1000), orders[0])
    for one, other in pairwise(orders):
        assert abs(stats.spearmanr(one, other).statistic) < 0.15
        assert int((one == other).sum()) < 10


def test_permutations_are_uniform() -> None:
    # The place of sample 0, and the order of three samples, over many epochs.
    orders = np.stack([keyed_permutation(0, epoch, 8).numpy() for epoch in range(4000)])
    assert stats.chisquare(np.bincount(orders.argmin(1), minlength=8)).pvalue > LEAST_P
    places = orders.argsort(1)[:, [2, 5, 7]].argsort(1) @ [9, 3, 1]
    assert stats.chisquare(np.unique(places, return_counts=True)[1]).pvalue > LEAST_P
