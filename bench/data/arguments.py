"""Values and parsers of the data commands that need neither torch nor matplotlib."""

import argparse
from pathlib import Path

from bench.util.cli import make_parser


def positive(text: str) -> int:
    """Return a whole number from 1 on; argparse words the error."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return int(text)


def seed(text: str) -> int:
    """Return a whole number from 0 to 2^31 − 1; argparse words the error."""
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 0 to {2**31 - 1}")
    return int(text)


def show_parser() -> argparse.ArgumentParser:
    """Return the parser of `bench.data show`, whose module needs torch."""
    example = "python -m bench.data show -f yamls/resnet_20.yaml --out sheet.png augmentation.erasing=0"
    parser = make_parser("bench.data show", "Draw training images beside their augmented versions.", example)
    parser.add_argument(
        "-f", "--file", required=True, metavar="YAML", help="the run whose data and augmentation are shown"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="PNG", help="the file to write")
    parser.add_argument("--images", type=int, default=10, metavar="N", help="rows, each a training image (10)")
    parser.add_argument("--epochs", type=int, default=8, metavar="N", help="columns after the original (8)")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="changes to the YAML, as for training")
    return parser
