"""Durations: what is read, what is refused, that nothing is rounded on the way, and what is rounded at the end."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.util.duration import DECIMAL_UNITS, UNITS, Duration

whole = st.builds(lambda number, unit: f"{number}{unit}", st.integers(0, 10**20), st.sampled_from(["ep", "ba", "sec"]))
decimal = st.decimals(0, 1000, places=3).map(lambda number: f"{number:f}ep")
shares = st.decimals(0, 1, places=4).map(lambda number: f"{number:f}dur")


@given(st.one_of(whole, decimal, shares))
def test_reading_what_was_written_gives_the_same_duration(text: str) -> None:
    duration = Duration.parse(text)
    assert Duration.parse(str(duration)) == duration
    assert Decimal(text.rstrip("abcdeprsu")) == duration.value


@pytest.mark.parametrize(
    ("text", "written"), [("8.750ep", "8.75ep"), ("010ba", "10ba"), ("100sec", "100sec"), ("0.0dur", "0dur")]
)
def test_it_is_written_without_needless_zeros(text: str, written: str) -> None:
    assert str(Duration.parse(text)) == written


REFUSED = ["", "5", "ep", "5 ep", "-1ep", "5epochs", "1e3ba", ".5ep", "5.ep", "1.5ba", "0.5sp", "1.5sec", "1.01dur"]


@pytest.mark.parametrize("text", [*REFUSED, "\u0663ep"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|whole numbers|at most 1"):
        Duration.parse(text)


@pytest.mark.parametrize(("value", "unit"), [("NaN", "ep"), ("Infinity", "ep"), ("-1", "ba"), ("1", "tok")])
def test_what_is_no_duration_cannot_be_made(value: str, unit: str) -> None:
    with pytest.raises(ValueError, match=r"not a duration|unknown unit"):
        Duration(Decimal(value), unit)


def test_only_one_unit_has_an_order() -> None:
    assert Duration.parse("2ep") < Duration.parse("10ep") <= Duration.parse("10.0ep")
    assert len({Duration.parse("10.0ep"), Duration.parse("10ep"), Duration.parse("10ba")}) == 2
    with pytest.raises(TypeError, match="no order"):
        assert Duration.parse("2ep") < Duration.parse("10ba")
    assert not Duration.parse("0ep")
    assert Duration.parse("0.1ep")


def test_batches_are_exact_and_steps_rounded_up() -> None:
    assert Duration.parse("8.75ep").batches(epoch_batches=390) == Fraction(6825, 2)
    assert Duration.parse("8.75ep").steps(epoch_batches=390) == 3413
    assert Duration.parse("8.75ep").steps(epoch_batches=48) == 420
    assert Duration.parse("1000sp").batches(batch_size=128) == Fraction(125, 16)
    assert Duration.parse("1000sp").steps(batch_size=128) == 8
    assert Duration.parse("420ba").batches() == 420


@pytest.mark.parametrize("text", ["600sec", "0.25dur", "1ep", "5sp"])
def test_what_cannot_be_counted_in_batches_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' cannot be counted in batches"):
        Duration.parse(text).batches()


@pytest.mark.parametrize(
    ("part", "total", "share"),
    [
        ("0.25dur", "600sec", Fraction(1, 4)),
        ("60sec", "600sec", Fraction(1, 10)),
        ("5ep", "200ep", Fraction(1, 40)),
        ("1ep", "420ba", Fraction(48, 420)),
        ("10ba", "10ep", Fraction(1, 48)),
        ("1ep", "49152sp", 1),
    ],
)
def test_shares_of_a_run(part: str, total: str, share: Fraction) -> None:
    """An epoch has 48 batches of 1,024 samples."""
    assert Duration.parse(part).share(Duration.parse(total), epoch_batches=48, batch_size=1024) == share


def test_seconds_and_steps_have_no_common_measure() -> None:
    with pytest.raises(ValueError, match="cannot be counted in batches"):
        Duration.parse("60sec").share(Duration.parse("10ep"), epoch_batches=48, batch_size=1024)


@pytest.mark.parametrize(
    ("text", "rounded"), [("8.75ep", "3413ba"), ("8ep", "8ep"), ("8.0ep", "8ep"), ("7ba", "7ba"), ("600sec", "600sec")]
)
def test_only_a_fraction_of_an_epoch_becomes_batches(text: str, rounded: str) -> None:
    assert str(Duration.parse(text).rounded(epoch_batches=390)) == rounded


@given(st.sampled_from(sorted(UNITS)), st.decimals(0, 1, places=3))
def test_decimals_are_for_epochs_and_shares(unit: str, value: Decimal) -> None:
    if unit in DECIMAL_UNITS or value == int(value):
        assert Duration(value, unit).value == value
    else:
        with pytest.raises(ValueError, match="whole numbers"):
            Duration(value, unit)
