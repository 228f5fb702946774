"""Make a registered data set: `python -m bench.data cifar100`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.data.arguments import positive, seed
from bench.data.datasets import DATASETS, ROOT_VARIABLE, Dataset, data_root, load_dataset, prepare_dataset
from bench.data.prepare import Sizes
from bench.util.cli import OK, make_parser
from bench.util.errors import BadInput, unknown

SUMMARY = f"""Prepare, check or show a data set.

  python -m bench.data NAME          make it under the root, unless it is there: {", ".join(sorted(DATASETS))}
  python -m bench.data folder ...    make one of a folder of images (see folder --help)
  python -m bench.data check NAME    say what is there: sizes, classes, mean and standard deviation, images per class
  python -m bench.data show ...      draw images (see show --help)

The root is --root, else the environment variable {ROOT_VARIABLE}, else ./data. Data of your own: a folder under
the root with {{train,test}}_images.npy (uint8 N×H×W×3), {{train,test}}_labels.npy (integers) and classes.txt (one name
per line)."""


def drawn() -> str:
    """Return the names of the data sets that are drawn by code, of any size."""
    return " and ".join(name for name, row in DATASETS.items() if row.drawing)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m bench.data NAME`."""
    parser = make_parser("bench.data", SUMMARY, "python -m bench.data cifar100 --root ~/data")
    parser.add_argument("name", metavar="NAME", help=f"{', '.join(DATASETS)}, or folder, check or show")
    parser.add_argument("--root", type=Path, metavar="DIR", help="the folder of data sets")
    parser.add_argument("--force", action="store_true", help="make it again, replacing what is there")
    parser.add_argument("--train", type=positive, metavar="N", help=f"{drawn()}: training images")
    parser.add_argument("--test", type=positive, metavar="N", help=f"{drawn()}: test images")
    parser.add_argument("--seed", type=seed, metavar="S", help=f"{drawn()}: another draw of the same classes (0)")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Make a registered data set and say what is there."""
    options = build_parser().parse_args(arguments)
    if options.name not in DATASETS:
        raise unknown("data set", options.name, [*DATASETS, "folder", "check", "show"])
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
    print(f"{folder} {'is ready' if made else 'is already there'}: {describe_sizes(data)}")
    return OK


def describe_sizes(data: Dataset) -> str:
    """Return the sizes of a data set in words."""
    height, width = data.train.images.shape[1:3]
    sizes = f"{len(data.train):,} training and {len(data.evaluation):,} test images"
    return f"{sizes} of {height}×{width} pixels in {len(data.classes)} classes"
