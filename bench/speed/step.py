"""Measure a training step through the suite beside its ceiling and beside the loop most repositories ship.

    python -m bench.speed step resnet_20 convnext_tiny --modes fp32 bf16-cl --common --json step.json

In one process, in turns: (a) the ceiling: forward, loss, backward and update on one batch in memory; (b) ours: the same
network through `bench.train`'s own path (data, augmentation, algorithms, callbacks and W&B of the model's YAML); (c)
with --common the loop that most repositories ship; and products of two square matrices, the machine's peak. What warms
up is thrown away; medians over rounds with quartiles.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.budget import forward_macs
from bench.config import YAMLS, load_spec
from bench.engines.stopping import StopSignals
from bench.environment import describe_environment, usable_cores
from bench.speed.command import add_json, add_models, check, describe, publish
from bench.speed.isolated import in_own_process
from bench.speed.step_table import step_table
from bench.util.cli import FAILED, OK, make_parser
from bench.util.errors import unknown

EXAMPLE = "python -m bench.speed step resnet_20 --modes fp32 bf16-cl --common --json step.json"
DECLARED = "default"


@dataclass(frozen=True)
class Mode:
    """In which precision, memory format and execution a step is computed."""

    precision: str
    channels_last: bool
    compiled: bool = False

    @property
    def words(self) -> list[str]:
        """Return the mode as overrides of a spec."""
        layout = "{}" if self.channels_last else "null"
        compiled = str(self.compiled).lower()
        return [f"precision={self.precision}", f"algorithms.channels_last={layout}", f"compile={compiled}"]


_EAGER = {
    "fp32": Mode("fp32", False),
    "fp32-cl": Mode("fp32", True),
    "bf16": Mode("amp_bf16", False),
    "bf16-cl": Mode("amp_bf16", True),
}
# `default` is what the model's YAML declares.
MODES: dict[str, Mode | None] = {
    DECLARED: None,
    **_EAGER,
    **{f"{name}-compiled": Mode(mode.precision, mode.channels_last, True) for name, mode in _EAGER.items()},
}


@dataclass(frozen=True)
class Plan:
    """How to measure: batch size, threads, data set, rounds, seconds of a window, with the common loop or without."""

    batch: int
    threads: int
    data: str
    rounds: int
    seconds: float
    common: bool


def measure(model: str, mode: str, plan: Plan) -> dict[str, Any]:
    """Return the seconds of every round of each side of one network in one mode, or why it failed, as a row.

    It is for a process of its own.
    """
    from bench.speed.sides import DoesNotCompile

    try:
        return measure_sides(model, mode, plan)
    except DoesNotCompile:
        return {"model": model, "mode": mode, "failed": "does not compile"}


def measure_sides(model: str, mode: str, plan: Plan) -> dict[str, Any]:
    """Return the seconds of every round of each side."""
    import torch

    from bench.data.datasets import load_dataset
    from bench.engines.clock import start_clock
    from bench.engines.composer import fit
    from bench.engines.machine import find_machine
    from bench.engines.precision import decide, find_device
    from bench.records import RunWriter, run_directory
    from bench.speed import sides
    from bench.speed.alternation import Alternation, Measured
    from bench.speed.common import common_loop

    chosen = MODES[mode]
    words = [*(chosen.words if chosen else []), f"batch_size={plan.batch}", f"threads={plan.threads}"]
    with tempfile.TemporaryDirectory() as folder:
        words += [f"data.name={plan.data}", f"runs={folder}"]
        spec = load_spec(YAMLS / f"{model}.yaml", words)
        precision = decide(spec.precision, find_device(spec.device)).precision
        device, dataset = find_machine(spec, precision).torch_device, load_dataset(plan.data)
        others = {
            "ceiling": sides.ceiling(spec, dataset, device, precision, compiled=spec.compile),
            **({"common": common_loop(spec, dataset, device)} if plan.common else {}),
            "peak": sides.peak(precision, device),
        }
        watcher = Alternation(others, rounds=plan.rounds, target=plan.seconds, wait=sides.wait_for(device))
        try:
            environment, clock = describe_environment(), start_clock(time.time(), time.time())
            writer = RunWriter(run_directory(spec))
            fit(spec, dataset, writer, environment, clock, StopSignals(), [watcher], show_progress=False)
        except Measured:
            pass
    peaks = [sides.gflops_of_peak(seconds, watcher.steps) for seconds in watcher.seconds.pop("peak")]
    on_gpu = device.type == "cuda"
    return {
        "model": model,
        "mode": mode,
        "precision": precision,
        "channels_last": "channels_last" in spec.algorithms,
        "compile": spec.compile,
        "steps_a_round": watcher.steps,
        "seconds": watcher.seconds,
        "peak_gflops": max(peaks),
        "macs": forward_macs(spec),
        # Of the process with all sides in it.
        "memory_bytes": torch.cuda.max_memory_allocated()
        if on_gpu
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser("bench.speed step", "Measure a training step beside its ceiling.", EXAMPLE)
    add_models(parser)
    parser.add_argument("--modes", nargs="+", default=[DECLARED], metavar="MODE", help=", ".join(MODES))
    parser.add_argument("--batch", type=int, default=128, metavar="N", help="batch size (128)")
    parser.add_argument("--threads", type=int, default=usable_cores(), metavar="N", help="threads (all cores)")
    parser.add_argument("--data", metavar="NAME", help="data set (cifar100 if it is there, else shapes100)")
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="turns of each side (9)")
    parser.add_argument("--seconds", type=float, default=1.0, metavar="S", help="length of a turn (1)")
    parser.add_argument("--common", action="store_true", help="also the loop that most repositories ship")
    add_json(parser)
    return parser


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; raise BadInput for models, modes and numbers that there are not."""
    options = build_parser().parse_args(arguments)
    for mode in options.modes:
        if mode not in MODES:
            raise unknown("mode", mode, MODES)
    check(options, {"batch": 4096, "threads": 1024, "rounds": 1000, "seconds": 60})
    return options


def main(arguments: Sequence[str]) -> int:
    """Measure each model in each mode in a process of its own, print the table, and write the numbers where asked."""
    options = parse(arguments)
    from bench.speed.augment import load_images  # --help and bad input need no torch

    data = load_images(options.data)[0]
    plan = Plan(options.batch, options.threads, data, options.rounds, options.seconds, options.common)
    rows: list[Mapping[str, Any]] = []
    for model in options.models:
        for mode in options.modes:
            print(f"measuring {model}, {mode} …", flush=True)
            rows.append(
                in_own_process(measure, model, mode, plan) or {"model": model, "mode": mode, "failed": "failed"}
            )
    numbers = {
        **describe("step", arguments),
        "plan": {"batch": plan.batch, "threads": plan.threads, "data": data, "rounds": plan.rounds},
        "rows": rows,
    }
    publish(numbers, step_table(numbers), options)
    return FAILED if any(row.get("failed") == "failed" for row in rows) else OK
