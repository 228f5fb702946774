"""Make a data set's folder: drawn by code or downloaded, whole or not at all.

Processes that start at once make it once, and one that is stopped leaves nothing that could pass for a data set.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from bench.data.folders import make_folder
from bench.data.layout import CLASSES_FILE, PARTS
from bench.data.normalisation import NORMALISATION_FILE
from bench.util.errors import BadInput
from bench.util.ranks import rank

LAYOUT_FILES = {f"{part}_{kind}.npy" for part in PARTS for kind in ("images", "labels")} | {
    CLASSES_FILE,
    NORMALISATION_FILE,
}
Image = tuple[int, int, int]


class Sizes(NamedTuple):
    """How many images of a data set there are; of one that is drawn by code also from which seed."""

    train: int
    test: int
    seed: int = 0


class ImageSet(Protocol):
    """What is used of a downloaded part: bytes N×H×W×3, N integer targets, the names of the classes."""

    data: NDArray[np.uint8]
    targets: list[int]
    classes: list[str]


# Download into a folder, which is removed afterwards, and return the training and the test part.
Download = Callable[[Path], tuple[ImageSet, ImageSet]]


@dataclass(frozen=True)
class Drawing:
    """How a data set is drawn by code: nothing is downloaded, any number of images can be had.

    `batches(part, count, seed)` yields the first `count` images (uint8 n×H×W×3) and labels (uint8 n) of a part, some at
    a time. `version` changes whenever a pixel does; `pace` says how long it takes.
    """

    batches: Callable[[str, int, int], Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]]
    classes: tuple[str, ...]
    version: int
    pace: str = ""


def three_ways(name: str, folder: Path) -> str:
    """Return what a user without a downloadable data set can do."""
    return (
        f"Three ways to get data: `python -m bench.data {name}` downloads and prepares it; or set BENCH_DATA "
        f"(or data.root) to a folder that holds {name}/ (now {folder.parent}); "
        "or use the embedded data set with data.name=shapes100."
    )


def say(text: str) -> None:
    """Print a notice to stderr, from the first process of a run only."""
    if rank() == 0:
        print(text, file=sys.stderr, flush=True)


def draw_parts(name: str, drawing: Drawing, image: Image, sizes: Sizes, folder: Path) -> None:
    """Draw the training and test images into a folder, batch by batch, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    channels, height, width = image
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"drawing {name}", total=sizes.train + sizes.test)
        for part in PARTS:
            labels: list[NDArray[np.uint8]] = []
            count = getattr(sizes, part)
            with (folder / f"{part}_images.npy").open("wb") as file:
                shape = (count, height, width, channels)
                npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
                for images, drawn in drawing.batches(part, count, sizes.seed):
                    file.write(images.tobytes())
                    labels.append(drawn)
                    progress.advance(task, len(drawn))
            np.save(folder / f"{part}_labels.npy", np.concatenate(labels))
    write_classes(folder, drawing.classes)
    record = {"version": drawing.version, **sizes._asdict()}
    (folder / record_file(name)).write_text(json.dumps(record) + "\n", encoding="utf-8")


def record_file(name: str) -> str:
    """Return the name of the file that says how a folder was drawn."""
    return f"{name}.json"


def write_classes(folder: Path, names: tuple[str, ...]) -> None:
    """Write the names of the classes, one a line."""
    (folder / CLASSES_FILE).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def prepare_drawn(
    name: str, drawing: Drawing, image: Image, usual: Sizes, folder: Path, *, sizes: Sizes | None, force: bool
) -> bool:
    """Draw a data set into a folder unless it is there; return whether it was drawn.

    Without `sizes` whatever is there will do, and `usual` is drawn. Raises BadInput if what is there has other sizes or
    another seed than those asked for.
    """
    wanted = sizes or usual
    started = time.monotonic()
    if force or not folder.exists():
        counts = f"{wanted.train:,} + {wanted.test:,} images, once"
        say(f"drawing {name} into {folder} ({counts}{f'; {drawing.pace}' if drawing.pace else ''})")
    own = {*LAYOUT_FILES, record_file(name)}
    if make_folder(folder, lambda made: draw_parts(name, drawing, image, wanted, made), own=own, force=force):
        say(f"{name} was drawn in {time.monotonic() - started:.0f} s")
        return True
    found = read_record(name, folder)
    if sizes is not None and found and found != {"version": drawing.version, **sizes._asdict()}:
        said = ", ".join(f"{key} {value}" for key, value in found.items())
        raise BadInput(f"{folder} was drawn with {said}; add --force to draw it again")
    return False


def read_record(name: str, folder: Path) -> dict[str, Any]:
    """Return what a folder's record says of how it was drawn; empty if it has none."""
    path = folder / record_file(name)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        record = None
    if not isinstance(record, dict):
        raise BadInput(f"{path} is corrupted; `python -m bench.data {name} --force` draws it again")
    return record


def check_version(name: str, drawing: Drawing, folder: Path) -> None:
    """Raise BadInput if a folder was drawn by another version of the code."""
    version = read_record(name, folder).get("version", drawing.version)
    if version != drawing.version:
        raise BadInput(
            f"{folder} was drawn by version {version}, this is version {drawing.version}; "
            f"`python -m bench.data {name} --force` draws it again"
        )


def torchvision_parts(kind: str, folder: Path) -> tuple[ImageSet, ImageSet]:
    """Download one of torchvision's data sets into a folder by its own downloader; return its two parts."""
    from torchvision import datasets

    source = getattr(datasets, kind)
    return source(folder, train=True, download=True), source(folder, train=False, download=True)


def download_parts(name: str, download: Download, folder: Path, hint: str) -> None:
    """Write what is downloaded in the layout; raise BadInput with the hint if it cannot be had."""
    temporary = folder / "download"
    temporary.mkdir()
    try:
        sources = download(temporary)
    except (OSError, RuntimeError, HTTPException) as error:
        raise BadInput(f"{name} could not be downloaded: {error}. {hint}") from None
    for part, source in zip(PARTS, sources, strict=True):
        np.save(folder / f"{part}_images.npy", np.ascontiguousarray(source.data, dtype=np.uint8))
        np.save(folder / f"{part}_labels.npy", np.asarray(source.targets, dtype=np.uint8))
        write_classes(folder, tuple(source.classes))
    shutil.rmtree(temporary)


def prepare_download(
    name: str, download: Download, folder: Path, check: Callable[[Path], object], *, force: bool
) -> bool:
    """Download and convert a data set unless its folder is there; return whether it was made.

    `check(temporary)` raises BadInput if what was converted is not right. Raises BadInput with the three ways to go on
    if it cannot be downloaded.
    """

    def write(temporary: Path) -> None:
        """Download, convert and check."""
        download_parts(name, download, temporary, three_ways(name, folder))
        check(temporary)

    return make_folder(folder, write, own=LAYOUT_FILES, force=force)
