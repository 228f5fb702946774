"""Measure how a run's speed depends on its processes and their threads, at the same global batch, in turns.

    python -m bench.speed scaling resnet_20 --batch 512 --json scaling.json

Each figure is a run of `composer -n N bench/train.py`: the images a second of its clock, which leaves start-up and
evaluation out, and the seconds from the start of its process to its first step, which are its start-up.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.config import YAMLS
from bench.environment import REPOSITORY, usable_cores
from bench.records import read_runs
from bench.speed.command import add_models, add_runs, check, describe, publish
from bench.speed.scaling_table import scaling_table
from bench.util.cli import OK, make_parser
from bench.util.errors import BadInput

EXAMPLE = "python -m bench.speed scaling resnet_20 --batch 512 --json scaling.json"
Layout = tuple[int, int]


def layouts(units: int, *, gpus: bool = False) -> list[Layout]:
    """Return (processes, threads) to compare on so many cores or GPUs: one thread, then all, in powers of two."""
    counts = [2**power for power in range(units.bit_length()) if 2**power <= units]
    if gpus:
        return [(count, 1) for count in counts]
    return sorted({(1, 1), *((count, units // count) for count in counts)})


def run_once(words: Sequence[str], processes: int) -> Mapping[str, Any]:
    """Train a run with Composer's launcher in a folder of its own and return its result; raise BadInput if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).parent / "composer"), "-n", str(processes), "bench/train.py", *words]
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        done = subprocess.run(
            [*command, f"runs={folder}"], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BadInput(f"{' '.join(command)} failed:\n{done.stderr[-1000:]}")
        (record,) = read_runs(Path(folder))
        assert record.result is not None
        return record.result


def measure(model: str, options: argparse.Namespace, choices: Sequence[Layout]) -> list[dict[str, Any]]:
    """Return the figures of every layout, each once a round."""
    words = ["-f", str(YAMLS / f"{model}.yaml"), f"batch_size={options.batch}", f"max_duration={options.steps}ba"]
    words += [f"data.name={options.data}"]
    found = {layout: ([], []) for layout in choices}  # type: dict[Layout, tuple[list[float], list[float]]]
    for turn in range(options.rounds):
        for processes, threads in choices:
            print(f"{model}: {processes} × {threads}, round {turn + 1} of {options.rounds} …", flush=True)
            result = run_once([*words, f"threads={threads}", f"seed={turn}"], processes)
            speeds, starts = found[processes, threads]
            speeds.append(result["images_per_second"])
            starts.append(result["seconds"]["startup"])
    return [
        {"model": model, "processes": layout[0], "threads": layout[1], "images_per_second": speeds, "startup": starts}
        for layout, (speeds, starts) in found.items()
    ]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser("bench.speed scaling", "Measure processes × threads at the same global batch.", EXAMPLE)
    add_models(parser)
    add_runs(parser, batch=512, steps=24, compared="layout")
    return parser


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; raise BadInput for invalid ones."""
    options = build_parser().parse_args(arguments)
    check(options, {"batch": 65536, "steps": 10**6, "rounds": 1000})
    return options


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, and write the numbers where asked."""
    options = parse(arguments)
    import torch  # --help and bad input need it not

    gpus = torch.cuda.device_count()
    choices = layouts(gpus, gpus=True) if gpus else layouts(usable_cores())
    numbers = {
        **describe("scaling", arguments),
        "plan": {name: getattr(options, name) for name in ("batch", "steps", "rounds", "data")},
        "rows": [row for model in options.models for row in measure(model, options, choices)],
    }
    publish(numbers, scaling_table(numbers), options)
    return OK
