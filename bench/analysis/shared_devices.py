"""Runs that shared their device with other work, so that their times do not count: `shared_devices.json` says which.

It stands in a runs folder, beside its experiments, and is written by hand:

    {"small_10ep/*": "six to twelve runs at a time", "speed/speed_resnet-*": "two runs at a time"}

A key names runs by their ids, `<experiment>/<run>`, in the form of a shell pattern; its value says what else ran.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from bench.util.errors import BadInput
from bench.util.untrusted import read_json

FILE = "shared_devices.json"


def read_shared(runs: Path) -> Mapping[str, str]:
    """Return pattern of run ids → what else ran on the device, of a runs folder; nothing where it has no such file."""
    path = runs / FILE
    content = read_json(path) if path.is_file() else {}
    for pattern, why in content.items():
        if pattern.count("/") != 1 or not isinstance(why, str) or not why:
            raise BadInput(f"{path}: '{pattern}': <experiment>/<run> and what else ran on the device are expected")
    return content


def what_shared(run_id: str, shared: Mapping[str, str]) -> str:
    """Return what else ran on a run's device by the patterns of its runs folder; nothing where they do not name it."""
    return next((why for pattern, why in shared.items() if fnmatchcase(run_id, pattern)), "")
