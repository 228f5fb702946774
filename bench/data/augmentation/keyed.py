"""Keyed randomness: numbers that depend on (seed, epoch, sample index, draw) and on nothing else.

A counter-based generator (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011) has no state to save,
restore or share between processes: a number is a hash of its coordinates. The mixer is the 64-bit finaliser of
SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014), written on int64,
whose products wrap modulo 2^64 on every device, with masks where a logical shift is meant. So all give the same bits.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Array = TypeVar("Array", Tensor, np.ndarray)

_WORD = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: the step between the streams of neighbouring counters
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # multipliers of the SplitMix64 finaliser
_DRAWS, _ORDER = 1, 2  # what the key is for: no number is used both to augment and to order samples


def _signed(word: int) -> int:
    """Return the int64 that has the bits of an unsigned 64-bit word."""
    return word - (1 << 64) if word >> 63 else word


def _mix_word(word: int) -> int:
    """Return the SplitMix64 finaliser of one unsigned 64-bit word."""
    word = (word ^ (word >> 30)) * _FIRST & _WORD
    word = (word ^ (word >> 27)) * _SECOND & _WORD
    return word ^ (word >> 31)


def _xor_shift_(words: Tensor, bits: int) -> Tensor:
    """Xor int64 words in place with themselves shifted right by `bits`, zeros coming in from the left."""
    return words.bitwise_xor_((words >> bits).bitwise_and_((1 << (64 - bits)) - 1))


def _mix_(words: Tensor) -> Tensor:
    """Apply the SplitMix64 finaliser to int64 words in place."""
    _xor_shift_(words, 30).mul_(_signed(_FIRST))
    _xor_shift_(words, 27).mul_(_signed(_SECOND))
    return _xor_shift_(words, 31)


def _key(seed: int, epoch: int, purpose: int) -> int:
    """Return the 64-bit key of (seed, epoch, purpose)."""
    word = 0
    for part in (seed, epoch, purpose):
        word = _mix_word((word ^ (part & _WORD)) + _GOLDEN & _WORD)
    return word


def _streams(seed: int, epoch: int, purpose: int, indices: Tensor) -> Tensor:
    """Return one int64 word per index, from which that index's numbers are counted."""
    return _mix_((indices + 1).mul_(_signed(_GOLDEN)).add_(_signed(_key(seed, epoch, purpose))))


def keyed_bits(seed: int, epoch: int, indices: Tensor, draw: int | Sequence[int]) -> Tensor:
    """Return 32 random bits for each index and draw.

    Args:
        seed: any integer; its low 64 bits count.
        epoch: the epoch, from 0.
        indices: int64 tensor (B,) of sample indices, on any device.
        draw: the number of the draw, or several.

    Returns:
        int64 values in [0, 2^32) on the device of `indices`: (B,) for one draw, (D, B) for D draws.
    """
    steps = torch.as_tensor(draw, dtype=torch.int64, device=indices.device)
    counters = (steps + 1).mul_(_signed(_GOLDEN)).unsqueeze(-1)
    words = _mix_(_streams(seed, epoch, _DRAWS, indices) + counters)
    bits = (words >> 32).bitwise_and_(0xFFFFFFFF)
    return bits if steps.ndim else bits.squeeze(0)


def keyed_uniform(seed: int, epoch: int, indices: Tensor, draw: int | Sequence[int]) -> Tensor:
    """Return float64 numbers in [0, 1), multiples of 2^-32; arguments and shapes as in `keyed_bits`."""
    return as_uniform(keyed_bits(seed, epoch, indices, draw))


def as_uniform(bits: Array) -> Array:
    """Return 32-bit values as float64 numbers in [0, 1)."""
    return bits * 2.0**-32


def as_integers(bits: Array, count: int) -> Array:
    """Return 32-bit values as integers in [0, count), each as likely to within count / 2^32 (count below 2^31)."""
    return bits * count >> 32


def keyed_permutation(seed: int, epoch: int, size: int) -> Tensor:
    """Return the order in which an epoch visits `size` samples: an int64 permutation on the CPU.

    It is the stable argsort of 62-bit keyed values, so it depends neither on the device nor on torch's generators.
    """
    words = _streams(seed, epoch, _ORDER, torch.arange(size, dtype=torch.int64))
    return torch.argsort((words >> 2).bitwise_and_((1 << 62) - 1), stable=True)
