"""Compare DDP with DeepSpeed's ZeRO stages: images a second, and the memory of what they partition, in turns.

    python -m bench.speed engines coatnet_0 --processes 2 --save engines

Each figure is a run of the launcher with the model's own recipe. Bytes are counted from the tensors that each process
holds in a step (`bench.speed.held`), and none is estimated.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.config import YAMLS
from bench.engines.deepspeed_check import require_deepspeed
from bench.environment import REPOSITORY
from bench.speed.command import add_runs, check, describe, publish
from bench.speed.engines_table import engines_table
from bench.util.cli import OK, make_parser
from bench.util.errors import BadInput

EXAMPLE = "python -m bench.speed engines coatnet_0 --processes 2 --save engines"
DEFAULT_MODEL = "coatnet_0"
MODULE = "bench.speed.engine_run"
# What takes turns: its name in the table → the overrides of a spec that ask for it.
VARIANTS: dict[str, list[str]] = {
    "DDP": ["engine=composer"],
    **{f"ZeRO {stage}": ["engine=deepspeed", f"deepspeed.zero_stage={stage}"] for stage in range(4)},
}
PARTS = ("precision", "most", "between", "process_bytes")


def run_once(words: Sequence[str], processes: int, steps: int) -> list[Mapping[str, Any]]:
    """Return what each process of a run found, in the order of their ranks; raise BadInput if the run fails."""
    with tempfile.TemporaryDirectory() as folder:
        launcher = [sys.executable, "-m", "bench.launch", "-n", str(processes), "--module_mode", MODULE]
        command = [*launcher, "--steps", str(steps), "--out", folder, *words, f"runs={folder}/runs"]
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BadInput(f"{' '.join(command)} failed:\n{(done.stderr or done.stdout)[-1000:]}")
        return [json.loads((Path(folder) / f"rank{rank}.json").read_text()) for rank in range(processes)]


def measure(model: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the figures of every variant: images a second by round, and what each process held in the last one."""
    words = ["-f", str(YAMLS / f"{model}.yaml"), f"batch_size={options.batch}", f"data.name={options.data}"]
    words += ["wandb.enabled=false"]
    speeds: dict[str, list[float]] = {name: [] for name in VARIANTS}
    ranks: dict[str, list[dict[str, Any]]] = {}
    for turn in range(options.rounds):
        for name, own in VARIANTS.items():
            print(f"{model}: {name}, round {turn + 1} of {options.rounds} …", flush=True)
            found = run_once([*words, *own, f"seed={turn}"], options.processes, options.steps)
            # The slowest process decides, at each step; the median is robust against other work on the machine.
            steps = [max(seconds) for seconds in zip(*(one["seconds"] for one in found), strict=True)]
            speeds[name].append(options.batch / statistics.median(steps))
            ranks[name] = [{part: one[part] for part in PARTS} for one in found]
    return [
        {"model": model, "engine": name, "images_per_second": speeds[name], "ranks": ranks[name]} for name in speeds
    ]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser("bench.speed engines", "Compare DDP with ZeRO 0 to 3: speed, and memory a process.", EXAMPLE)
    model = f"models of the zoo, or 'all' ({DEFAULT_MODEL})"
    parser.add_argument("models", nargs="*", default=[DEFAULT_MODEL], metavar="MODEL", help=model)
    parser.add_argument("-n", "--processes", type=int, default=2, metavar="N", help="processes of a run (2)")
    add_runs(parser, batch=64, steps=6, compared="engine")
    return parser


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; raise BadInput for invalid ones, and without DeepSpeed."""
    options = build_parser().parse_args(arguments)
    check(options, {"processes": 1024, "batch": 65536, "steps": 10**4, "rounds": 1000})
    require_deepspeed()
    return options


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, and write the numbers where asked."""
    options = parse(arguments)
    rows = [row for model in options.models for row in measure(model, options)]
    plan = {name: getattr(options, name) for name in ("processes", "batch", "steps", "rounds", "data")}
    numbers = {**describe("engines", arguments), "plan": plan, "rows": rows}
    publish(numbers, engines_table(numbers), options)
    return OK
