"""What the measuring commands share: checked numbers and models, and where their figures go."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.util.errors import BadInput, unknown
from bench.zoo.models import MODELS


def add_models(parser: argparse.ArgumentParser) -> None:
    """Add the models to a command's parser."""
    parser.add_argument("models", nargs="+", metavar="MODEL", help="models of the zoo, or 'all'")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the flag that names the file of all numbers."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write all numbers")


def check(options: argparse.Namespace, most: Mapping[str, float]) -> None:
    """Replace 'all' by every model; raise BadInput for an unknown one, a number outside (0, most], no folder."""
    if hasattr(options, "models"):
        options.models = list(MODELS) if options.models == ["all"] else options.models
        for model in options.models:
            if model not in MODELS:
                raise unknown("model", model, MODELS)
    for flag, limit in most.items():
        if not 0 < getattr(options, flag) <= limit:
            raise BadInput(f"--{flag} {getattr(options, flag)}: allowed are numbers above 0 up to {limit}")
    if options.json and not options.json.parent.is_dir():
        raise BadInput(f"--json {options.json}: there is no folder '{options.json.parent}'")


def publish(numbers: Mapping[str, Any], text: str, path: Path | None) -> None:
    """Print a measurement, and write its numbers where asked."""
    print(text)
    if path:
        path.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
