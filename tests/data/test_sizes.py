"""Progressive sizes: what a step is fed is what the plan of its cost says."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bench.data.sizes import size_at, size_shares
from bench.zoo.counting.training import steps_of_shares

HUNDREDTHS = st.lists(st.integers(1, 99), unique=True, max_size=4)


@given(ends=HUNDREDTHS, steps=st.integers(1, 500))
def test_steps_of_each_size_are_those_that_are_planned(ends: list[int], steps: int) -> None:
    sizes = [(end / 100, 16 + number) for number, end in enumerate(sorted(ends))] + [(1.0, 32)]
    shares = size_shares(sizes)
    planned = {size[0]: number for (_, size), number in zip(shares, steps_of_shares(shares, steps), strict=True)}
    fed = Counter(size_at(sizes, step, steps) for step in range(steps))
    assert fed == Counter({size: number for size, number in planned.items() if number})
