"""A schedule against the length of its run: every length in it becomes a share of the run; contradictions are refused.

No torch is imported. What the shares do to the learning rate is in `algorithms.schedules`.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

from bench.spec import RunSpec, ScheduleSection
from bench.util.duration import Duration
from bench.util.errors import BadInput

# The units in which a part of a run can be given, by the unit of its length.
COMPARABLE = {
    "ep": ("dur", "ep", "ba"),
    "ba": ("dur", "ep", "ba"),
    "sp": ("dur", "sp"),
    "sec": ("dur", "sec"),
}


class Refused(BadInput):
    """Say which setting of a schedule does not go with the run, and why."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"key 'schedule.{key}': {reason}")
        self.key = key


def durations(section: ScheduleSection) -> Iterator[tuple[str, Duration]]:
    """Yield the name and value of every length and point of a schedule; a list yields its name for each."""
    for key in type(section).model_fields:
        value = getattr(section, key)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Duration):
                yield key, item


def check_units(spec: RunSpec) -> None:
    """Raise Refused for a length in a unit that cannot be set against that of the run."""
    allowed = COMPARABLE[spec.max_duration.unit]
    for key, duration in durations(spec.schedule):
        if duration and duration.unit not in allowed:
            units = f"{', '.join(allowed[:-1])} or {allowed[-1]}"
            raise Refused(key, f"'{duration}' does not go with max_duration={spec.max_duration}; use {units}")


def shares(spec: RunSpec, epoch_batches: int | None = None) -> dict[str, Any]:
    """Return a schedule's settings but its name, every length as an exact share of the run, which may exceed 1.

    An epoch has `epoch_batches` steps. Raises Refused for lengths that contradict each other, and ValueError where
    they cannot be compared without the steps of an epoch.
    """
    length = spec.max_duration.rounded(epoch_batches) if epoch_batches else spec.max_duration

    def share(value: Any) -> Any:
        """Return a length as a share, a list of them as a list, anything else as it is."""
        if isinstance(value, list):
            return [share(item) for item in value]
        if not isinstance(value, Duration):
            return value
        return value.share(length, epoch_batches, spec.batch_size) if value else Fraction(0)

    section = spec.schedule
    settings = {key: share(getattr(section, key)) for key in type(section).model_fields if key != "name"}
    check_order(section, settings)
    return settings


def check_order(section: ScheduleSection, settings: Mapping[str, Any]) -> None:
    """Raise Refused where the warm-up meets the cool-down, or milestones do not follow it one after the other.

    A run may be shorter than its warm-up and its milestones: it is the beginning of the recipe then.
    """
    warmup = settings["warmup"]
    if warmup < 1 < warmup + settings.get("cooldown", 0):
        raise Refused("cooldown", f"it begins before the warm-up ({section.warmup}) ends")
    points = [warmup, *settings.get("milestones", [])]
    if any(one >= other for one, other in pairwise(points)):
        raise Refused("milestones", f"they must increase, from after the warm-up ({section.warmup}) on")
