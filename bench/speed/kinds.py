"""The kinds of machine that have been measured: how each is named, and the folder in which its numbers are kept."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.environment import REPOSITORY, describe_environment

KEPT = REPOSITORY / "reports" / "speed"
# What keeps torch and oneDNN from using all of the processor's instructions.
LIMITS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA")


def describe_host() -> dict[str, Any]:
    """Return the environment of a measurement with what decides its speed: vector extension, GPU, and set limits."""
    import torch

    from bench.engines.precision import find_row

    return {
        **describe_environment(),
        "extension": find_row("cpu").name,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "limits": {name: os.environ[name] for name in LIMITS if os.environ.get(name)},
    }


def kind_of(environment: Mapping[str, Any]) -> str:
    """Return the kind of a measurement's machine in words: the processor, its vector extension, the GPU.

    Files from before the extension was recorded give the processor alone.
    """
    limited = " (limited)" if environment.get("limits") else ""
    extension = environment.get("extension")
    parts = [environment["cpu"], f"{extension}{limited}" if extension else None, environment.get("gpu")]
    return ", ".join(part for part in parts if part)


def folder_name(kind: str) -> str:
    """Return the name of the folder of a kind: lower case letters and digits, all else an underscore."""
    return re.sub(r"[^a-z0-9]+", "_", kind.lower()).strip("_")


def kept_file(environment: Mapping[str, Any], name: str) -> Path:
    """Return where the numbers of a measurement are kept by a name, in the folder of its machine's kind."""
    return KEPT / folder_name(kind_of(environment)) / f"{folder_name(name)}.json"
