"""Make a data set's folder: drawn (`shapes100`) or downloaded (`cifar10`, `cifar100`), whole or not at all.

Processes that start at once make it once, and one that is stopped leaves nothing that could pass for a data set.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from bench.data import shapes100
from bench.data.folders import make_folder
from bench.data.layout import CLASSES_FILE, PARTS
from bench.data.normalisation import NORMALISATION_FILE
from bench.util.errors import BadInput

SHAPES100_FILE = "shapes100.json"
LAYOUT_FILES = {f"{part}_{kind}.npy" for part in PARTS for kind in ("images", "labels")} | {
    CLASSES_FILE,
    NORMALISATION_FILE,
    SHAPES100_FILE,
}


class Sizes(NamedTuple):
    """How many images of shapes100 are drawn, and from which seed."""

    train: int = 50_000
    test: int = 10_000
    seed: int = 0


class ImageSet(Protocol):
    """What is used of a torchvision data set: bytes N×32×32×3, N integer targets, the names of the classes."""

    data: NDArray[np.uint8]
    targets: list[int]
    classes: list[str]


Fetch = Callable[[str, Path], tuple[ImageSet, ImageSet]]


def three_ways(name: str, folder: Path) -> str:
    """Return what a user without a downloadable data set can do."""
    return (
        f"Three ways to go on: `python -m bench.data {name}` downloads and prepares it; or set BENCH_DATA "
        f"(or data.root) to a folder that holds {name}/ (now {folder.parent}); "
        "or use the embedded data set with data.name=shapes100."
    )


def say(text: str) -> None:
    """Print a notice to stderr, from the first process of a run only."""
    if os.environ.get("RANK", "0") == "0":
        print(text, file=sys.stderr, flush=True)


def write_shapes100(folder: Path, sizes: Sizes) -> None:
    """Draw the training and test images into a folder, batch by batch, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("drawing shapes100", total=sizes.train + sizes.test)
        for part in PARTS:
            labels: list[NDArray[np.uint8]] = []
            count = getattr(sizes, part)
            with (folder / f"{part}_images.npy").open("wb") as file:
                shape = (count, shapes100.SIDE, shapes100.SIDE, 3)
                npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
                for images, drawn in shapes100.batches(part, count, sizes.seed):
                    file.write(images.tobytes())
                    labels.append(drawn)
                    progress.advance(task, len(drawn))
            np.save(folder / f"{part}_labels.npy", np.concatenate(labels))
    write_classes(folder, shapes100.CLASSES)
    record = {"version": shapes100.VERSION, **sizes._asdict()}
    (folder / SHAPES100_FILE).write_text(json.dumps(record) + "\n", encoding="utf-8")


def write_classes(folder: Path, names: tuple[str, ...]) -> None:
    """Write the names of the classes, one a line."""
    (folder / CLASSES_FILE).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def prepare_shapes100(folder: Path, *, sizes: Sizes | None = None, force: bool = False) -> bool:
    """Draw shapes100 into a folder unless it is there; return whether it was drawn.

    Without `sizes` whatever is there will do. Raises BadInput if what is there has other sizes or another seed.
    """
    wanted = sizes or Sizes()
    started = time.monotonic()
    if force or not folder.exists():
        say(
            f"shapes100 is drawn into {folder} ({wanted.train:,} + {wanted.test:,} images, once; about 10 s for 60,000)"
        )
    if make_folder(folder, lambda made: write_shapes100(made, wanted), own=LAYOUT_FILES, force=force):
        say(f"shapes100 was drawn in {time.monotonic() - started:.0f} s")
        return True
    found = read_record(folder)
    if sizes is not None and found and found != {"version": shapes100.VERSION, **sizes._asdict()}:
        said = ", ".join(f"{key} {value}" for key, value in found.items())
        raise BadInput(f"{folder} was drawn with {said}; add --force to draw it again")
    return False


def read_record(folder: Path) -> dict[str, Any]:
    """Return what shapes100.json says of how a folder was drawn; empty if it has none."""
    path = folder / SHAPES100_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        record = None
    if not isinstance(record, dict):
        raise BadInput(f"{path} is damaged; `python -m bench.data shapes100 --force` draws the data set again")
    return record


def fetch_torchvision(name: str, folder: Path) -> tuple[ImageSet, ImageSet]:
    """Download a CIFAR data set into a folder by torchvision's downloader; return its training and test part."""
    from torchvision import datasets

    kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    return kind(folder, train=True, download=True), kind(folder, train=False, download=True)


def write_cifar(name: str, folder: Path, fetch: Fetch, hint: str) -> None:
    """Write what `fetch` returns in the layout; raise BadInput with the hint if it cannot be had."""
    download = folder / "download"
    download.mkdir()
    try:
        sources = fetch(name, download)
    except (OSError, RuntimeError, HTTPException) as error:
        raise BadInput(f"{name} could not be downloaded: {error}. {hint}") from None
    for part, source in zip(PARTS, sources, strict=True):
        np.save(folder / f"{part}_images.npy", np.ascontiguousarray(source.data, dtype=np.uint8))
        np.save(folder / f"{part}_labels.npy", np.asarray(source.targets, dtype=np.uint8))
        write_classes(folder, tuple(source.classes))
    shutil.rmtree(download)


def prepare_cifar(
    folder: Path, check: Callable[[Path], object], *, fetch: Fetch = fetch_torchvision, force: bool = False
) -> bool:
    """Download and convert the data set that the folder is named after unless it is there; return whether it was made.

    `check(temporary)` raises BadInput if what was converted is not right. Raises BadInput with the three ways to go on
    if it cannot be downloaded.
    """
    name = folder.name

    def write(temporary: Path) -> None:
        """Download, convert and check."""
        write_cifar(name, temporary, fetch, three_ways(name, folder))
        check(temporary)

    return make_folder(folder, write, own=LAYOUT_FILES, force=force)
