"""Which convolutions a run computes by matrix products on a CPU: measured once on a kind of machine, and remembered.

The file that remembers is `efficient-training-bench/small_maps.json` in the user's cache folder. Deleting it is safe:
what is missing is measured again, and a run that has begun goes on by its checkpoint.
"""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from algorithms.convolution_products import Case
from algorithms.small_maps import SmallMaps, faster_passes
from bench.data.prepare import Image
from bench.engines.machine import Machine
from bench.engines.model_check import trained_sizes
from bench.engines.precision import dtype_of, find_row, vector_extension
from bench.environment import cpu_model
from bench.spec import RunSpec
from bench.util.files import write_atomically

# The largest batch that is measured: larger ones gain as much.
LARGEST_BATCH = 256
Passes = dict[str, list[str]]


def chooses_kernels(spec: RunSpec, machine: Machine) -> bool:
    """Tell whether a run chooses its kernels: on a CPU, with channels-last maps, unless its network is compiled."""
    return machine.device == "cpu" and "channels_last" in spec.algorithms and not spec.compile


def small_maps(spec: RunSpec, image: Image, machine: Machine, report: Callable[[str], None]) -> SmallMaps:
    """Return the algorithm that computes convolutions by products; what has to be measured for it is reported."""
    sizes = trained_sizes(spec.augmentation.sizes, spec.algorithms, image)
    shapes = [(image[0], height, width) for height, width in sorted({*sizes, image[1:]})]
    return SmallMaps(shapes, partial(choose_passes, report, samples_of(spec, machine), machine.precision))


def samples_of(spec: RunSpec, machine: Machine) -> int:
    """Return how many images one process trains on at a time."""
    return spec.batch_size // machine.shard.world_size


def choose_passes(report: Callable[[str], None], batch: int, precision: str, cases: Sequence[Case]) -> Passes:
    """Return the passes of each case that this machine computes faster by products, for a batch in a precision."""
    batch = min(batch, LARGEST_BATCH)
    here = f"{kind_of_machine()}; {precision}, batch {batch}"
    measure = partial(faster_passes, batch=batch, dtype=dtype_of(precision))
    return remembered(cache_file(), here, cases, measure, report)


def kind_of_machine() -> str:
    """Return what decides how fast a kernel is: the processor, its instructions that torch may use, and torch."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    return ", ".join(
        [cpu_model(), find_row("cpu").name, vector_extension(), *([limit] if limit else []), torch.__version__]
    )


def cache_file() -> Path:
    """Return the file in the user's cache folder that remembers measurements."""
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "efficient-training-bench" / "small_maps.json"


def remembered(
    path: Path,
    here: str,
    cases: Sequence[Case],
    measure: Callable[[Case], list[str]],
    report: Callable[[str], None],
) -> Passes:
    """Return what was measured of each case on a kind of machine; measure what is missing, and remember it.

    Processes that measure at the same time wait for each other and agree. Where the file cannot be kept nothing is
    remembered.
    """
    if not cases:
        return {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            known = read_measurements(path)
            mine = known.setdefault(here, {})
            missing = [case for case in cases if str(case) not in mine]
            if missing:
                report(f"measuring {len(missing)} convolutions of small maps, once on a kind of machine")
            mine |= {str(case): measure(case) for case in missing}
            if missing:
                write_atomically(path, json.dumps(known, indent=1))
            return {str(case): mine[str(case)] for case in cases}
    except OSError:
        return {str(case): measure(case) for case in cases}


def read_measurements(path: Path) -> dict[str, Any]:
    """Return what a file remembers, nothing where it is missing or damaged."""
    with suppress(FileNotFoundError, ValueError):
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return {kind: found for kind, found in content.items() if isinstance(found, dict)}
    return {}
