"""Runs that shared their device with other work, so that their times do not count: `shared_devices.json` says which.

It stands in a runs folder, beside its experiments, and is written by hand:

    {"small_10ep/*": "six to twelve runs at a time", "speed/speed_resnet-*": "two runs at a time"}

A key names runs by their ids, `<experiment>/<run>`, in the form of a shell pattern; its value says what else ran.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from bench.records import RunRecord, read_json
from bench.util.errors import BadInput

FILE = "shared_devices.json"


def read_shared(runs: Path) -> Mapping[str, str]:
    """Return pattern of run ids → what else ran on the device, of a runs folder; nothing where it has no such file."""
    path = runs / FILE
    content = read_json(path) if path.is_file() else {}
    for pattern, why in content.items():
        if pattern.count("/") != 1 or not isinstance(why, str) or not why:
            raise BadInput(f"{path}: '{pattern}': <experiment>/<run> and what else ran on the device are expected")
    return content


def had_device_alone(record: RunRecord, shared: Iterable[str]) -> bool:
    """Tell whether a run had its device to itself, as far as the patterns of its runs folder know."""
    return not any(fnmatchcase(record.run_id, pattern) for pattern in shared)
