"""Shared by the measuring commands: arguments, their validation, and output."""

import argparse
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.environment import usable_cores
from bench.speed.kinds import describe_host, folder_name, kept_file
from bench.util.cli import make_parser
from bench.util.errors import BadInput, check_known
from bench.util.files import write_atomically, writing
from bench.zoo.models import MODELS


def add_models(parser: argparse.ArgumentParser) -> None:
    """Add the models to a command's parser."""
    parser.add_argument("models", nargs="+", metavar="MODEL", help="models of the zoo, or 'all'")


def add_runs(parser: argparse.ArgumentParser, batch: int, steps: int, compared: str) -> None:
    """Add the flags of a measurement by whole runs: of how many steps and images, how many of each thing compared."""
    parser.add_argument("--batch", type=int, default=batch, metavar="N", help=f"global batch size ({batch})")
    parser.add_argument("--steps", type=int, default=steps, metavar="N", help=f"steps of a run ({steps})")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help=f"runs of each {compared} (3)")
    parser.add_argument("--data", default="shapes100", metavar="NAME", help="data set (shapes100)")
    add_json(parser)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where all numbers go."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write all numbers")
    parser.add_argument("--save", metavar="NAME", help="keep them for the report: reports/speed/<kind>/NAME.json")


def augment_parser() -> argparse.ArgumentParser:
    """Return the parser of `bench.speed augment`, whose module needs torch."""
    example = "python -m bench.speed augment --rounds 41 --json augment.json"
    parser = make_parser("bench.speed augment", "Compare the augmentation with torchvision's.", example)
    parser.add_argument("--data", metavar="NAME", help="data set (cifar100 if it is there, else shapes100)")
    parser.add_argument("--batch", type=int, default=128, metavar="N", help="batch size (128)")
    parser.add_argument("--rounds", type=int, default=21, metavar="N", help="turns of each variant (21)")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="threads of the epoch of data alone (2)")
    add_json(parser)
    return parser


def depthwise_parser() -> argparse.ArgumentParser:
    """Return the parser of `bench.speed depthwise`, whose module needs torch."""
    example = "python -m bench.speed depthwise --batch 128 --json depthwise.json"
    parser = make_parser("bench.speed depthwise", "Compare depthwise convolutions in float32 and bfloat16.", example)
    parser.add_argument("--batch", type=int, default=128, metavar="N", help="maps in a batch (128)")
    parser.add_argument("--threads", type=int, default=usable_cores(), metavar="N", help="threads (all cores)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="turns of each type (7)")
    add_json(parser)
    return parser


def check(options: argparse.Namespace, most: Mapping[str, float]) -> None:
    """Replace 'all' by every model; raise BadInput for an unknown one, a number outside (0, most], a missing folder."""
    if hasattr(options, "models"):
        options.models = list(MODELS) if options.models == ["all"] else options.models
        for model in options.models:
            check_known("model", model, MODELS)
    for flag, limit in most.items():
        if not 0 < getattr(options, flag) <= limit:
            raise BadInput(f"--{flag} {getattr(options, flag)}: must be above 0 and at most {limit}")
    if options.save and not folder_name(options.save):
        raise BadInput(f"--save {options.save!r}: a name needs letters or digits")
    if options.json and not options.json.parent.is_dir():
        raise BadInput(f"--json {options.json}: folder '{options.json.parent}' does not exist")
    if options.json and options.json.is_dir():
        raise BadInput(f"--json {options.json}: is a folder; a file is expected")


def describe(measurement: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Return the header of every measurement's numbers: its name, command and machine."""
    command = shlex.join(["python", "-m", "bench.speed", measurement, *arguments])
    return {"measurement": measurement, "command": command, "environment": describe_host()}


def publish(numbers: Mapping[str, Any], text: str, options: argparse.Namespace) -> None:
    """Print a measurement, and write its numbers where `--json` and `--save` ask."""
    print(text)
    paths = [options.json, kept_file(numbers["environment"], options.save) if options.save else None]
    for path in filter(None, paths):
        with writing(str(path)):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(numbers, indent=1) + "\n")
        print(path)
