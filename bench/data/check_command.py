"""Say what a data set holds: `python -m bench.data check cifar100`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.data.datasets import DATASETS, data_root, load_dataset
from bench.data.normalisation import mean_std
from bench.data.prepare_command import describe_sizes
from bench.util.cli import OK, make_parser
from bench.util.errors import BadInput


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `bench.data check`."""
    parser = make_parser(
        "bench.data check", "Check a data set and say what it holds.", "python -m bench.data check cifar100"
    )
    parser.add_argument("name", metavar="NAME", help="a registered data set, or a folder under the root")
    parser.add_argument("--root", type=Path, metavar="DIR", help="the folder of data sets")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Check a data set's files and print what they hold."""
    options = build_parser().parse_args(arguments)
    row = DATASETS.get(options.name)
    if row and row.drawing and not (data_root(options.root) / options.name).exists():
        raise BadInput(f"{options.name} is not drawn yet: run `python -m bench.data {options.name}`")
    data = load_dataset(options.name, options.root)
    print(f"{data_root(options.root) / data.name}: {describe_sizes(data)}")
    print(f"classes: {', '.join(data.classes[:5])}{', …' if len(data.classes) > 5 else ''}")
    for part, split in (("training", data.train), ("test", data.evaluation)):
        counts = np.bincount(split.labels, minlength=len(data.classes))
        print(f"{part} images per class: {counts.min():,} to {counts.max():,}")
    for title, (mean, std) in (("used", (data.mean, data.std)), ("measured", mean_std(data.train.images))):
        print(f"{title:>8} mean {_three(mean)}, standard deviation {_three(std)}")
    return OK


def _three(values: Sequence[float]) -> str:
    """Return three constants to four decimals."""
    return "(" + ", ".join(f"{value:.4f}" for value in values) + ")"
