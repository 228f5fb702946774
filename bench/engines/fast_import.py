"""Import Composer without what it imports and a run never uses: a third of the start-up of every process.

torchmetrics imports matplotlib (for `Metric.plot`) and scipy.signal (to patch an alias for an audio metric), and
Composer imports mcli, the client of a hosted platform. While `composer` is imported, empty modules stand in their
place; afterwards they are taken out again, so that whoever needs the real ones gets them. Composer also takes SIGTERM
and SIGINT as it is imported; here they stay with whoever has them, so that a run can be stopped meanwhile.
"""

import os
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

from bench.environment import cpu_model

# Module → the attributes that are read while Composer is imported.
UNUSED: Mapping[str, Mapping[str, Any]] = {
    "mcli": {},
    "scipy.signal": {"hamming": None},
    "matplotlib": {"colors": SimpleNamespace(Colormap=object)},
    "matplotlib.axes": {"Axes": object},
    "matplotlib.pyplot": {"Figure": object, "style": SimpleNamespace(context=lambda _: lambda function: function)},
}


# What Composer's seeding sets off in torch 2.7 on every machine without an Intel GPU, and smoothed labels that sum to
# 0.9999999 in float32: warnings that tell a user nothing.
NOISE = ("TF32 acceleration on top of oneDNN", "Some targets have less than 1 total probability")


def stand_in(name: str, attributes: Mapping[str, Any]) -> ModuleType:
    """Return an empty module with some attributes."""
    module = ModuleType(name)
    vars(module).update(attributes)
    return module


@contextmanager
def without(names: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Put stand-ins in the place of modules that are not imported yet; the real ones are left alone."""
    placed = {name: stand_in(name, attributes) for name, attributes in names.items() if name not in sys.modules}
    for name, module in placed.items():
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent in placed:
            setattr(placed[parent], child, module)
    try:
        yield
    finally:
        for name, module in placed.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


@contextmanager
def signals_kept() -> Iterator[None]:
    """Let no signal handler be installed."""
    install = signal.signal
    signal.signal = lambda number, handler: signal.getsignal(number)  # type: ignore[assignment]
    try:
        yield
    finally:
        signal.signal = install


def import_composer() -> None:
    """Import Composer without what a run never uses, and without a process that only asks for the processor's name."""
    if "composer" not in sys.modules:
        hosted = os.environ.get("MOSAICML_PLATFORM", "false").lower() == "true"
        names = {name: what for name, what in UNUSED.items() if not (hosted and name == "mcli")}
        with without(names), signals_kept():
            import composer  # noqa: F401
    for message in NOISE:
        warnings.filterwarnings("ignore", message=message)
    from composer.utils import collect_env

    collect_env.get_cpu_model = cpu_model
