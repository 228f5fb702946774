"""Prepare, check and show data sets: `python -m bench.data cifar100`."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.data.datasets import DATASETS, ROOT_VARIABLE, Dataset, data_root, load_dataset, prepare_dataset
from bench.data.normalisation import mean_std
from bench.data.prepare import Sizes
from bench.util.cli import OK, make_parser, run_command
from bench.util.errors import BadInput, unknown

SUMMARY = f"""Prepare, check or show a data set.

  python -m bench.data NAME          make it under the root, unless it is there: {", ".join(sorted(DATASETS))}
  python -m bench.data check NAME    say what is there: sizes, classes, mean and standard deviation, images a class
  python -m bench.data show ...      draw images (see show --help)

The root is --root, else the environment variable {ROOT_VARIABLE}, else ./data. Data of your own: a folder under
the root with {{train,test}}_images.npy (uint8 N×H×W×3), {{train,test}}_labels.npy (integers) and classes.txt (one name
a line)."""


def drawn() -> str:
    """Return the names of the data sets that are drawn by code, of any size."""
    return " and ".join(name for name, row in DATASETS.items() if row.drawing)


def positive(text: str) -> int:
    """Return a whole number from 1 on; argparse words the error."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1 on")
    return int(text)


def seed(text: str) -> int:
    """Return a whole number from 0 to 2^31 − 1; argparse words the error."""
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 0 to {2**31 - 1}")
    return int(text)


def _prepare_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m bench.data NAME`."""
    parser = make_parser("bench.data", SUMMARY, "python -m bench.data cifar100 --root ~/data")
    parser.add_argument("name", metavar="NAME", help=f"{', '.join(DATASETS)}, or check or show")
    parser.add_argument("--root", type=Path, metavar="DIR", help="the folder of data sets")
    parser.add_argument("--force", action="store_true", help="make it again, in place of what is there")
    parser.add_argument("--train", type=positive, metavar="N", help=f"{drawn()}: training images")
    parser.add_argument("--test", type=positive, metavar="N", help=f"{drawn()}: test images")
    parser.add_argument("--seed", type=seed, metavar="S", help=f"{drawn()}: another draw of the same classes (0)")
    return parser


def prepare(arguments: Sequence[str]) -> int:
    """Make a registered data set and say what is there."""
    options = _prepare_parser().parse_args(arguments)
    if options.name not in DATASETS:
        raise unknown("data set", options.name, [*DATASETS, "check", "show"])
    folder = data_root(options.root) / options.name
    chosen = {key: value for key in Sizes._fields if (value := getattr(options, key)) is not None}
    row = DATASETS[options.name]
    if chosen and not row.drawing:
        raise BadInput(f"--{next(iter(chosen))} is for {drawn()} only; {options.name} has fixed sizes")
    sizes = row.sizes._replace(**chosen) if chosen or (options.force and row.drawing) else None
    made = prepare_dataset(options.name, folder, sizes=sizes, force=options.force)
    try:
        data = load_dataset(options.name, options.root)
    except BadInput as error:
        raise BadInput(f"{error}. --force makes it again") from None
    print(f"{folder} {'is ready' if made else 'was there already'}: {_sizes(data)}")
    return OK


def _sizes(data: Dataset) -> str:
    """Return the sizes of a data set in words."""
    height, width = data.train.images.shape[1:3]
    sizes = f"{len(data.train):,} training and {len(data.evaluation):,} test images"
    return f"{sizes} of {height}×{width} pixels in {len(data.classes)} classes"


def check(arguments: Sequence[str]) -> int:
    """Check a data set's files and print what they hold."""
    parser = make_parser(
        "bench.data check", "Check a data set and say what it holds.", "python -m bench.data check cifar100"
    )
    parser.add_argument("name", metavar="NAME", help="a registered data set, or a folder under the root")
    parser.add_argument("--root", type=Path, metavar="DIR", help="the folder of data sets")
    options = parser.parse_args(arguments)
    row = DATASETS.get(options.name)
    if row and row.drawing and not (data_root(options.root) / options.name).exists():
        raise BadInput(f"{options.name} is not drawn yet: `python -m bench.data {options.name}` does it")
    data = load_dataset(options.name, options.root)
    print(f"{data_root(options.root) / data.name}: {_sizes(data)}")
    print(f"classes: {', '.join(data.classes[:5])}{', …' if len(data.classes) > 5 else ''}")
    for part, split in (("training", data.train), ("test", data.evaluation)):
        counts = np.bincount(split.labels, minlength=len(data.classes))
        print(f"{part} images of a class: {counts.min():,} to {counts.max():,}")
    for title, (mean, std) in (("used", (data.mean, data.std)), ("measured", mean_std(data.train.images))):
        print(f"{title:>8} mean {_three(mean)}, standard deviation {_three(std)}")
    return OK


def _three(values: Sequence[float]) -> str:
    """Return three constants to four decimals."""
    return "(" + ", ".join(f"{value:.4f}" for value in values) + ")"


def main(arguments: Sequence[str]) -> int:
    """Run `python -m bench.data`; `check` and `show` have arguments of their own."""
    if arguments and arguments[0] == "check":
        return check(arguments[1:])
    if arguments and arguments[0] == "show":
        # Imported here: it draws with matplotlib, which the others do not need.
        return importlib.import_module("bench.data.show").main(arguments[1:])
    return prepare(arguments)


if __name__ == "__main__":
    sys.exit(run_command(main))
