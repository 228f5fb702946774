"""Lengths and points in time of a run as one value type, parsed once.

    5ep, 8.75ep   epochs              420ba     batches (steps)        53760sp    samples
    600sec        seconds of training 0.25dur   a share of the run

Epochs and shares may be decimals, which are kept exactly; the other units are whole. Two durations of one unit have an
order. Those of two units have none until `batches` or `share` brings them to a common measure.
"""

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import total_ordering

UNITS = {"ep": "epochs", "ba": "batches", "sp": "samples", "sec": "seconds", "dur": "share of the run"}
DECIMAL_UNITS = ("ep", "dur")
STEP_UNITS = ("ep", "ba", "sp")
PATTERN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ep|ba|sp|sec|dur)")


@total_ordering
@dataclass(frozen=True)
class Duration:
    """A number of epochs, batches, samples or seconds, or a share of the run; never negative."""

    value: Decimal
    unit: str

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown unit, a fraction of a whole unit, or a share above 1."""
        if self.unit not in UNITS:
            raise ValueError(f"unknown unit '{self.unit}'; allowed are {', '.join(UNITS)}")
        if not self.value.is_finite() or self.value < 0:
            raise ValueError(f"{self.value} {UNITS[self.unit]} is not a duration")
        if self.unit not in DECIMAL_UNITS and self.value != int(self.value):
            raise ValueError(f"{UNITS[self.unit]} ({self.unit}) are whole numbers")
        if self.unit == "dur" and self.value > 1:
            raise ValueError("a share of the run (dur) is at most 1")

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Return the duration that a text such as "5ep" means; raise ValueError that says what is allowed."""
        match = PATTERN.fullmatch(text) if isinstance(text, str) else None
        if not match:
            raise ValueError("a number and a unit are expected, such as 5ep or 420ba")
        return cls(Decimal(match[1]), match[2])

    def __str__(self) -> str:
        """Return the text that `parse` reads, without needless zeros."""
        number = f"{self.value:f}"
        return f"{number.rstrip('0').rstrip('.') if '.' in number else number}{self.unit}"

    def __bool__(self) -> bool:
        """Tell whether it is longer than nothing."""
        return bool(self.value)

    def __lt__(self, other: object) -> bool:
        """Tell whether it is shorter; raise TypeError for another unit."""
        if not isinstance(other, Duration):
            return NotImplemented
        if self.unit != other.unit:
            raise TypeError(f"{self} and {other} have no order: convert both with `batches` or `share`")
        return self.value < other.value

    @property
    def seconds(self) -> int | None:
        """Return the seconds of a duration in seconds, None for any other unit."""
        return int(self.value) if self.unit == "sec" else None

    def batches(self, epoch_batches: int | None = None, batch_size: int | None = None) -> Fraction:
        """Return the exact number of batches, given the batches of an epoch or the samples of a batch where needed.

        Raises ValueError for seconds and shares, and for a unit whose size is not given.
        """
        per_batch = {"ba": 1, "sp": batch_size, "ep": Fraction(1, epoch_batches) if epoch_batches else None}
        size = per_batch.get(self.unit)
        if size is None:
            raise ValueError(f"'{self}' cannot be counted in batches")
        return Fraction(self.value) / size

    def steps(self, epoch_batches: int | None = None, batch_size: int | None = None) -> int:
        """Return the steps after which the duration is over: whole batches, rounded up."""
        return math.ceil(self.batches(epoch_batches, batch_size))

    def rounded(self, epoch_batches: int) -> "Duration":
        """Return a duration of whole numbers: a fraction of an epoch as batches, rounded up, anything else as it is."""
        if self.unit != "ep" or self.value == int(self.value):
            return self
        return Duration(Decimal(self.steps(epoch_batches)), "ba")

    def share(self, whole: "Duration", epoch_batches: int | None = None, batch_size: int | None = None) -> Fraction:
        """Return the share of a whole duration that this one makes up; a whole of nothing raises ZeroDivisionError.

        Raises ValueError where the two have no common measure, as seconds and epochs.
        """
        if self.unit == "dur":
            return Fraction(self.value)
        if self.unit == whole.unit:
            return Fraction(self.value) / Fraction(whole.value)
        return self.batches(epoch_batches, batch_size) / whole.batches(epoch_batches, batch_size)
