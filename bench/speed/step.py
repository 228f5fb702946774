"""Compare a training step of the suite with its ceiling and with the loop that most repositories ship.

    python -m bench.speed step resnet_20 convnext_tiny --modes fp32 bf16-cl --baseline --json step.json

In one process, in turns: (a) the ceiling: forward, loss, backward and update on one batch in memory; (b) ours: the same
network through `bench.train`'s own path (data, augmentation, algorithms, callbacks and W&B of the model's YAML); (c)
with --baseline the loop that most repositories ship; and products of two square matrices, the machine's peak. The
ceiling of the default mode also takes turns with those of the other modes asked for. Warm-up steps are discarded;
medians over rounds with quartiles.

    python -m bench.speed step resnet_20 convnext_tiny ghost_resnet_20 --modes all --save modes
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.budget import forward_macs
from bench.config import YAMLS, load_spec
from bench.engines.stopping import StopSignals
from bench.environment import describe_environment, usable_cores
from bench.speed.command import add_json, add_models, check, describe, publish
from bench.speed.isolated import in_own_process
from bench.speed.modes import ALL, DECLARED, EAGER, MODES, expand, hindrance
from bench.speed.step_table import PLAIN, ceiling_of, step_table
from bench.util.cli import FAILED, OK, make_parser

if TYPE_CHECKING:
    import torch

    from bench.data.datasets import Dataset
    from bench.spec import RunSpec
    from bench.speed.variants import Variant

EXAMPLE = "python -m bench.speed step resnet_20 --modes fp32 bf16-cl --baseline --save resnet_20"
MEANING = f"{ALL}: the default and every eager mode that is native here"


@dataclass(frozen=True)
class Plan:
    """How to measure: batch size, threads, data set, rounds, seconds of a window, with or without the baseline loop.

    The ceiling of the default mode takes turns with those of the modes `against`, and with torch's own kernels if
    `plain`. Images have the data's size, also where a recipe's grow.
    """

    batch: int
    threads: int
    data: str
    rounds: int
    seconds: float
    baseline: bool
    against: tuple[str, ...] = ()
    plain: bool = False

    def words(self, mode: str) -> list[str]:
        """Return a mode and what all modes have in common as overrides of a spec."""
        chosen = MODES[mode]
        shared = [f"batch_size={self.batch}", f"threads={self.threads}", f"data.name={self.data}"]
        shared.append("augmentation.sizes=null")
        return [*(chosen.words if chosen else []), *shared]


def measure(model: str, mode: str, plan: Plan) -> dict[str, Any]:
    """Return the seconds of every round of each variant of one network in one mode, or why it failed, as a row.

    To be called in its own process.
    """
    from bench.speed.variants import DoesNotCompile

    try:
        return measure_variants(model, mode, plan)
    except DoesNotCompile:
        return {"model": model, "mode": mode, "failed": "does not compile"}


def measure_variants(model: str, mode: str, plan: Plan) -> dict[str, Any]:
    """Return the seconds of every round of each variant."""
    import torch

    from bench.data.datasets import load_dataset
    from bench.engines.clock import start_clock
    from bench.engines.composer import fit
    from bench.engines.machine import find_machine
    from bench.engines.precision import decide, find_device
    from bench.records import RunWriter, run_directory
    from bench.speed import variants
    from bench.speed.alternation import Alternation, Measured
    from bench.speed.baseline import baseline_loop

    with tempfile.TemporaryDirectory() as folder:
        spec = load_spec(YAMLS / f"{model}.yaml", [*plan.words(mode), f"runs={folder}"])
        precision = decide(spec.precision, find_device(spec.device)).precision
        device, dataset = find_machine(spec, precision).torch_device, load_dataset(plan.data)
        others = {
            "ceiling": variants.ceiling(spec, dataset, device, precision, compiled=spec.compile),
            **(ceilings(model, plan, dataset, device) if mode == DECLARED else {}),
            **(plain_ceiling(spec, dataset, device, precision) if mode == DECLARED and plan.plain else {}),
            **({"baseline": baseline_loop(spec, dataset, device)} if plan.baseline else {}),
            "peak": variants.peak(precision, device),
        }
        watcher = Alternation(others, rounds=plan.rounds, target=plan.seconds, wait=variants.wait_for(device))
        try:
            environment, clock = describe_environment(), start_clock(time.time(), time.time())
            writer = RunWriter(run_directory(spec))
            fit(spec, dataset, writer, environment, clock, StopSignals(), [watcher], show_progress=False)
        except Measured:
            pass
    peaks = [variants.gflops_of_peak(seconds, watcher.steps) for seconds in watcher.seconds.pop("peak")]
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
        # Of the whole process, with all variants.
        "memory_bytes": torch.cuda.max_memory_allocated()
        if on_gpu
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def ceilings(model: str, plan: Plan, dataset: "Dataset", device: "torch.device") -> dict[str, "Variant"]:
    """Return the ceilings of a model in the modes that its default mode is compared with."""
    from bench.speed.variants import ceiling

    found = {}
    for mode in plan.against:
        spec = load_spec(YAMLS / f"{model}.yaml", plan.words(mode))
        found[ceiling_of(mode)] = ceiling(spec, dataset, device, spec.precision, compiled=False)
    return found


def plain_ceiling(spec: "RunSpec", dataset: "Dataset", device: "torch.device", precision: str) -> dict[str, "Variant"]:
    """Return the ceiling of the default mode with torch's own kernels."""
    from bench.speed.variants import ceiling

    return {ceiling_of(PLAIN): ceiling(spec, dataset, device, precision, compiled=spec.compile, plain=True)}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser("bench.speed step", "Compare a training step with its ceiling.", EXAMPLE)
    add_models(parser)
    parser.add_argument("--modes", nargs="+", default=[DECLARED], metavar="MODE", help=f"{', '.join(MODES)}; {MEANING}")
    parser.add_argument("--batch", type=int, default=128, metavar="N", help="batch size (128)")
    parser.add_argument("--threads", type=int, default=usable_cores(), metavar="N", help="threads (all cores)")
    parser.add_argument("--data", metavar="NAME", help="data set (cifar100 if it is there, else shapes100)")
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="turns of each variant (9)")
    parser.add_argument("--seconds", type=float, default=1.0, metavar="S", help="length of a turn (1)")
    parser.add_argument("--baseline", action="store_true", help="also the loop that most repositories ship")
    parser.add_argument("--plain", action="store_true", help="also the default mode with torch's own kernels")
    add_json(parser)
    return parser


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; raise BadInput for unknown models and modes and invalid numbers."""
    options = build_parser().parse_args(arguments)
    options.named, options.modes = set(options.modes), expand(options.modes)
    check(options, {"batch": 4096, "threads": 1024, "rounds": 1000, "seconds": 60})
    return options


def row_of(model: str, mode: str, plan: Plan, hindered: str | None) -> Mapping[str, Any]:
    """Return the row of a model in a mode, measured in a process of its own unless something hinders it."""
    named = {"model": model, "mode": mode}
    if hindered:
        return {**named, "failed": hindered}
    print(f"measuring {model}, {mode} …", flush=True)
    return in_own_process(measure, model, mode, plan) or {**named, "failed": "failed"}


def main(arguments: Sequence[str]) -> int:
    """Measure each model in each mode in a process of its own, print the table, and write the numbers where asked."""
    options = parse(arguments)
    from bench.engines.precision import find_device
    from bench.speed.augment import load_images  # --help and bad input need no torch

    data, device = load_images(options.data)[0], find_device("auto")
    hindered = {mode: hindrance(mode, device, asked=mode in options.named) for mode in options.modes}
    against = tuple(mode for mode in options.modes if mode in EAGER and not hindered[mode])
    shared = (options.batch, options.threads, data, options.rounds, options.seconds, options.baseline)
    plan = Plan(*shared, against, options.plain)
    rows = [row_of(model, mode, plan, hindered[mode]) for model in options.models for mode in options.modes]
    numbers = {
        **describe("step", arguments),
        "plan": {"batch": plan.batch, "threads": plan.threads, "data": data, "rounds": plan.rounds},
        "rows": rows,
    }
    publish(numbers, step_table(numbers), options)
    return FAILED if any(row.get("failed") == "failed" for row in rows) else OK
