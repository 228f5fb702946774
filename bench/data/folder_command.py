"""Make a data set of a folder of images: `python -m bench.data folder --from DIR --size 64 --name NAME`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.data.arguments import positive
from bench.data.convert import BROKEN, SOURCE, Job, convert, read_done, read_source
from bench.data.datasets import DATASETS, check_name, data_root, load_dataset
from bench.data.folders import make_folder
from bench.data.image_tree import open_tree
from bench.data.prepare import LAYOUT_FILES, say
from bench.data.prepare_command import describe_sizes
from bench.environment import usable_cores
from bench.util.cli import OK, make_parser
from bench.util.errors import BadInput

SUMMARY = """\
Make a data set of a folder of images, one sub-folder a class: JPEG, PNG, WebP, BMP, GIF, PPM, TIFF, of any size, mode.

DIR holds train/ and test/ (or val/), and each of them the classes; or the classes alone, with --test-share. Each image
is turned as its EXIF says, made RGB of 8 bits a value, resized so that its shorter side is PIXELS, and its middle
square is kept. It takes constant memory, and may be stopped: the same command goes on where it was."""
EXAMPLE = "python -m bench.data folder --from ~/imagenet --size 64 --name imagenet64 --skip-broken 0.01"
SMALLEST, LARGEST = 8, 1024


def share(text: str) -> float:
    """Return a number from 0 to below 1; argparse words the error."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 to below 1")
    return value


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `bench.data folder`."""
    parser = make_parser("bench.data folder", SUMMARY, EXAMPLE)
    parser.add_argument("--from", dest="source", type=Path, required=True, metavar="DIR", help="the folder of images")
    parser.add_argument("--name", required=True, help="the data set's name, as data.name of a run")
    parser.add_argument("--size", type=positive, required=True, metavar="PIXELS", help="the side of the square images")
    parser.add_argument("--root", type=Path, metavar="DIR", help="the folder of data sets")
    parser.add_argument(
        "--test-share", type=share, metavar="SHARE", help="hold out a share of the images, chosen by their names"
    )
    parser.add_argument(
        "--skip-broken", type=share, default=0.0, metavar="SHARE", help="leave out broken images up to a share (0)"
    )
    parser.add_argument("--workers", type=positive, metavar="N", help="threads that decode (default: all cores)")
    parser.add_argument("--force", action="store_true", help="make it again, replacing what is there")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Convert a folder of images and say what came of it."""
    options = build_parser().parse_args(arguments)
    check_options(options)
    folder = data_root(options.root) / options.name
    tree = open_tree(options.source.expanduser(), options.test_share)
    job = Job(tree, tree.survey(), options.size, options.skip_broken, options.workers or usable_cores())
    own = {*LAYOUT_FILES, SOURCE, BROKEN}
    made = make_folder(folder, lambda begun: convert_into(job, begun), own=own, force=options.force, keep=True)
    record = read_source(folder)
    if not made and any(record.get(key) != value for key, value in job.about.items()):
        raise BadInput(
            f"{folder} is there and was not made of these images by these settings; add --force to replace it"
        )
    data = load_dataset(options.name, options.root)
    print(f"{folder} {'is ready' if made else 'is already there'}: {describe_sizes(data)}")
    if broken := record["done"]["broken"]:
        print(f"{broken:,} broken files were left out; they are listed in {folder / BROKEN}")
    return OK


def check_options(options: argparse.Namespace) -> None:
    """Raise BadInput for a name that cannot be a data set's, or is another's, and for a size out of range."""
    check_name(options.name, data_root(options.root))
    if options.name in DATASETS:
        raise BadInput(f"--name {options.name}: this is a data set that `python -m bench.data {options.name}` makes")
    if not SMALLEST <= options.size <= LARGEST:
        raise BadInput(f"--size {options.size}: allowed are {SMALLEST} to {LARGEST} pixels")
    if options.test_share == 0:
        raise BadInput("--test-share 0: nothing would be left to test on; allowed are shares above 0")


def convert_into(job: Job, folder: Path) -> None:
    """Convert, after a line that says how much there is to do and what was done before."""
    before = read_done(folder, job).files
    say(f"converting {job.survey.files:,} files" + (f"; {before:,} of them were done before" if before else ""))
    convert(job, folder)
