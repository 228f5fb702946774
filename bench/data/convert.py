"""Convert a tree of image files to the layout: in constant memory, and continued where it was stopped.

What is made grows in a folder of its own. After each chunk of files its arrays are flushed to the disk, and then a
record says how far they are; whoever goes on cuts off what was written after the last record. So the bytes at the end
do not depend on whether, or where, the work was stopped.
"""

import json
import math
import os
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from bench.data.image_tree import Item, Survey, Tree
from bench.data.layout import PARTS, Images
from bench.data.pixels import Broken, read_image
from bench.data.prepare import write_classes
from bench.util.errors import BadInput
from bench.util.files import write_atomically
from bench.util.progress import Progress

SOURCE, BROKEN = "source.json", "broken.txt"
# Raise it when other pixels come of the same file.
VERSION = 1
# Files between two records, and the most bytes of their pixels that wait in memory.
CHUNK, CHUNK_BYTES = 256, 2**25
HEADER = 128
LABEL = np.dtype("<i4")
NAMED = 5


@dataclass(frozen=True)
class Job:
    """What is converted: a tree, the side of the squares in pixels, and the share of broken files that is skipped."""

    tree: Tree
    survey: Survey
    size: int
    skip_broken: float = 0.0
    workers: int = 1

    @property
    def about(self) -> dict[str, Any]:
        """Return what decides the bytes that come of it."""
        settings = {"version": VERSION, "from": str(self.tree.root.resolve()), "size": self.size}
        return {**settings, "test_share": self.tree.test_share, "digest": self.survey.digest}


@dataclass
class Done:
    """How far a conversion is: files that were read, images of each part, broken files, bytes of the list of these."""

    files: int = 0
    train: int = 0
    test: int = 0
    broken: int = 0
    broken_bytes: int = 0


class GrowingArray:
    """A .npy file of rows of one shape that grows from a number of rows on; its header is written last."""

    def __init__(self, path: Path, dtype: np.dtype, row: tuple[int, ...], count: int) -> None:
        self.dtype, self.row = dtype, row
        self.file = path.open("r+b" if path.exists() else "w+b")
        self.file.truncate(HEADER + count * dtype.itemsize * int(np.prod(row)))
        self.file.seek(0, os.SEEK_END)

    def append(self, row: NDArray[Any]) -> None:
        """Write one row at the end."""
        self.file.write(row.astype(self.dtype, copy=False).tobytes())

    def finish(self, count: int) -> None:
        """Write the header for a number of rows."""
        header = BytesIO()
        npy.write_array_header_1_0(
            header, {"descr": npy.dtype_to_descr(self.dtype), "fortran_order": False, "shape": (count, *self.row)}
        )
        assert header.tell() == HEADER, "numpy pads headers of such shapes to one size"
        self.file.seek(0)
        self.file.write(header.getvalue())
        self.flush()

    def flush(self) -> None:
        """Wait until all rows are on the disk."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class Outputs:
    """The growing files of a data set: images and labels of each part, and the list of broken files."""

    def __init__(self, folder: Path, size: int, done: Done) -> None:
        self.done = done
        self.images, self.labels = (
            {part: GrowingArray(folder / f"{part}_{kind}.npy", dtype, row, getattr(done, part)) for part in PARTS}
            for kind, dtype, row in (("images", np.dtype("u1"), (size, size, 3)), ("labels", LABEL, ()))
        )
        self.broken = (folder / BROKEN).open("r+b" if (folder / BROKEN).exists() else "w+b")
        self.broken.truncate(done.broken_bytes)
        self.broken.seek(0, os.SEEK_END)

    def add(self, item: Item, found: Images | Broken, root: Path) -> None:
        """Write a file's pixels and label, or the line that says why it has none."""
        self.done.files += 1
        if isinstance(found, Broken):
            name = item.path.relative_to(root).as_posix()
            self.broken.write(f"{name}: {found}".encode(errors="backslashreplace").replace(b"\n", b" ") + b"\n")
            self.done.broken += 1
            return
        self.images[item.part].append(found)
        self.labels[item.part].append(np.asarray(item.label))
        setattr(self.done, item.part, getattr(self.done, item.part) + 1)

    def flush(self) -> None:
        """Wait until all that was added is on the disk."""
        for array in (*self.images.values(), *self.labels.values()):
            array.flush()
        self.broken.flush()
        os.fsync(self.broken.fileno())
        self.done.broken_bytes = self.broken.tell()

    def finish(self) -> None:
        """Write the headers."""
        for arrays in (self.images, self.labels):
            for part, array in arrays.items():
                array.finish(getattr(self.done, part))

    def close(self) -> None:
        """Close the files."""
        for array in (*self.images.values(), *self.labels.values()):
            array.close()
        self.broken.close()


def convert(job: Job, folder: Path) -> Done:
    """Convert a tree into a folder, from where a conversion of the same files by the same settings was stopped there.

    Raises BadInput where more files are broken than the job skips, when all have been read, so that all are known;
    what was converted is kept.
    """
    done = read_done(folder, job)
    with ExitStack() as stack:
        outputs = Outputs(folder, job.size, done)
        stack.callback(outputs.close)
        # Decoders warn of what they go on from; filters are shared by all threads.
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        pool = stack.enter_context(ThreadPoolExecutor(job.workers))
        progress = stack.enter_context(Progress("converting", job.survey.files, done.files))
        for chunk in chunks(job, done.files):
            read = partial(attempt, size=job.size)
            for item, found in zip(chunk, pool.map(read, chunk), strict=True):
                outputs.add(item, found, job.tree.root)
            outputs.flush()
            write_done(folder, job, done)
            progress.advance(len(chunk))
        check_broken(folder, job, done)
        check_parts(job, done)
        outputs.finish()
    write_classes(folder, job.tree.classes)
    if not done.broken:
        (folder / BROKEN).unlink()
    return done


def chunks(job: Job, skipped: int) -> Iterator[list[Item]]:
    """Yield the files in chunks, without the first ones that are done."""
    items = islice(job.tree.items(), skipped, None)
    most = max(job.workers, min(CHUNK, CHUNK_BYTES // (3 * job.size**2)))
    while chunk := list(islice(items, most)):
        yield chunk


def attempt(item: Item, size: int) -> Images | Broken:
    """Return a file's pixels, or why it has none."""
    try:
        return read_image(item.path, size)
    except Broken as reason:
        return reason


def read_done(folder: Path, job: Job) -> Done:
    """Return how far a conversion of the same job is in a folder; nothing is done where it holds none, or another's."""
    record = read_source(folder)
    return Done(**record["done"]) if {**record, "done": None} == {**job.about, "done": None} else Done()


def read_source(folder: Path) -> Mapping[str, Any]:
    """Return the record of a conversion in a folder; empty where there is none."""
    try:
        record = json.loads((folder / SOURCE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_done(folder: Path, job: Job, done: Done) -> None:
    """Record how far a conversion is."""
    write_atomically(folder / SOURCE, json.dumps({**job.about, "done": asdict(done)}, indent=1) + "\n")


def check_broken(folder: Path, job: Job, done: Done) -> None:
    """Raise BadInput where more files are broken than are skipped."""
    if done.broken <= job.skip_broken * job.survey.files:
        return
    with (folder / BROKEN).open(encoding="utf-8") as file:
        first = "".join(f"\n  {line.rstrip()}" for line in islice(file, NAMED))
    enough = math.ceil(1e4 * done.broken / done.files) / 1e4
    raise BadInput(
        f"{done.broken:,} of {done.files:,} files are broken, more than --skip-broken {job.skip_broken:g} lets pass; "
        f"all are listed in {folder / BROKEN}, the first are:{first}\n"
        f"With --skip-broken {enough:g} the same command leaves them out, and has nothing to read again; if files are "
        "repaired or removed, it starts from the beginning."
    )


def check_parts(job: Job, done: Done) -> None:
    """Raise BadInput where a part has no images."""
    for part in PARTS:
        if not getattr(done, part):
            raise BadInput(f"--from {job.tree.root}: there is no usable image for the {part} set")
