"""Compare two finished runs bit for bit: weights, optimizer, EMA, schedules, counters, epochs and result."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bench.engines.checkpoints import newest_valid
from bench.records import CHECKPOINTS, read_run

# What depends on the machine's speed, on where the run lies and on which commit is checked out, and on nothing else.
TIMES = ("train_seconds", "eval_seconds", "seconds", "images_per_second", "microseconds", "ClockCallback")
IGNORED = (*TIMES, "runs", "commit")


def final_state(path: Path) -> dict[str, Any]:
    """Return all that a finished run leaves, without times; raise AssertionError for one that is not finished."""
    record = read_run(path)
    assert record.finished, f"{path} has not finished"
    found = newest_valid(path / CHECKPOINTS, lambda content: None)
    assert found.content.get("finished"), f"{path} has no checkpoint of its end"
    assert not found.refused, found.refused
    return without_times({"checkpoint": found.content, "epochs": record.epochs, "result": record.result})


def without_times(value: Any) -> Any:
    """Return nested data without what depends on the speed of the machine."""
    if isinstance(value, Mapping):
        return {key: without_times(item) for key, item in value.items() if key not in IGNORED}
    if isinstance(value, list | tuple):
        return [without_times(item) for item in value]
    return value


def differences(one: Any, two: Any, where: str = "") -> list[str]:
    """Return the places where two nested values differ in any bit."""
    if isinstance(one, torch.Tensor) and isinstance(two, torch.Tensor):
        same = one.dtype == two.dtype and one.shape == two.shape and torch.equal(as_bits(one), as_bits(two))
        return [] if same else [where]
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        if list(one) != list(two):
            return [f"{where}: keys {sorted(map(str, set(one) ^ set(two))) or 'in another order'}"]
        return [place for key in one for place in differences(one[key], two[key], f"{where}/{key}")]
    if isinstance(one, list) and isinstance(two, list):
        if len(one) != len(two):
            return [f"{where}: {len(one)} and {len(two)} entries"]
        return [p for i, (a, b) in enumerate(zip(one, two, strict=True)) for p in differences(a, b, f"{where}[{i}]")]
    return [] if type(one) is type(two) and one == two else [f"{where}: {one!r} and {two!r}"]


def as_bits(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor's bytes in logical order, so that NaN equals itself and 0 differs from -0."""
    return tensor.contiguous().flatten().view(torch.uint8)
