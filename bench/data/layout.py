"""The layout of a prepared data set, and the only code that reads its files.

`<folder>/{train,test}_{images,labels}.npy` (uint8 N×H×W×3 RGB; integer labels) and `classes.txt` (one name per line).
Every file is checked as it is opened: images by header and file size alone, so a check costs the same for any size;
labels in full.
"""

import tokenize
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from bench.util.errors import BadInput

PARTS = ("train", "test")
CLASSES_FILE = "classes.txt"

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Arrays:
    """The images (memory-mapped, N×H×W×3) and labels (N) of the training and the test part."""

    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels


@dataclass(frozen=True)
class Header:
    """What the first bytes of a .npy file promise, and where the data begin."""

    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int


def read_header(path: Path) -> Header:
    """Return the header of a .npy file whose size is exactly what the header promises.

    Raises BadInput for a file that is missing, unreadable, no .npy, cut short, of Python objects or in Fortran order.
    """
    try:
        header = _parse_header(path)
        size = path.stat().st_size
    except FileNotFoundError:
        raise BadInput(f"{path} is missing") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    expected = header.offset + prod(header.shape) * header.dtype.itemsize
    if size != expected:
        fault = "is truncated" if size < expected else "is longer than its header says"
        shape = "×".join(map(str, header.shape))
        raise BadInput(f"{path} {fault}: {size:,} bytes, where {shape} {header.dtype} needs {expected:,}")
    return header


def _parse_header(path: Path) -> Header:
    """Return the header of a .npy file of version 1 or 2; nothing is ever unpickled."""
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    with path.open("rb") as file:
        try:
            shape, fortran, dtype = readers[npy.read_magic(file)](file)
        except (ValueError, KeyError, TypeError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError):
            raise BadInput(f"{path} is not a .npy file (version 1 or 2) that numpy.save wrote") from None
        offset = file.tell()
    if dtype.hasobject:
        raise BadInput(f"{path} holds Python objects ({dtype}); allowed are plain numbers")
    if any(length < 0 for length in shape):
        raise BadInput(f"{path} has the shape {shape}: a length is negative")
    if fortran and len(shape) > 1:
        raise BadInput(f"{path} is in Fortran order; save numpy.ascontiguousarray(images)")
    return Header(shape, dtype, offset)


def open_images(path: Path) -> Images:
    """Return the images (uint8 N×H×W×3, N, H, W ≥ 1) of a file as a read-only memory map."""
    header = read_header(path)
    if header.dtype != np.uint8:
        raise BadInput(f"{path} has the dtype {header.dtype}; allowed is uint8")
    if len(header.shape) != 4 or header.shape[3] != 3:
        raise BadInput(f"{path} has the shape {header.shape}; allowed is N×H×W×3 (RGB)")
    if 0 in header.shape:
        raise BadInput(f"{path} holds no images: its shape is {header.shape}")
    return np.memmap(path, header.dtype, "r", header.offset, header.shape)


def read_labels(path: Path, classes: int) -> Labels:
    """Return the labels (int64, N ≥ 1) of a file; all are from 0 to classes − 1."""
    header = read_header(path)
    if header.dtype.kind not in "iu":
        raise BadInput(f"{path} has the dtype {header.dtype}; allowed are integers")
    if len(header.shape) != 1:
        raise BadInput(f"{path} has the shape {header.shape}; allowed is one label for each image, N")
    if header.shape[0] == 0:
        raise BadInput(f"{path} holds no labels")
    stored = np.fromfile(path, header.dtype, offset=header.offset)
    outside = np.flatnonzero((stored < 0) | (stored >= classes))
    if outside.size:
        where = int(outside[0])
        more = f" ({outside.size:,} such labels)" if outside.size > 1 else ""
        raise BadInput(f"{path} has the label {stored[where]} at index {where}{more}; allowed are 0 to {classes - 1}")
    return stored.astype(np.int64)


def read_classes(path: Path) -> tuple[str, ...]:
    """Return the names in a classes.txt, which are neither empty nor repeated."""
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        raise BadInput(f"{path} is missing; it must hold one class name per line, in order") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not UTF-8 text") from None
    if not any(names):
        raise BadInput(f"{path} is empty; it must hold one class name per line")
    first = {name: number for number, name in reversed(list(enumerate(names, 1)))}
    for number, name in enumerate(names, 1):
        if not name:
            raise BadInput(f"{path}, line {number} is empty; each line must hold one class name")
        if first[name] != number:
            raise BadInput(f"{path}, line {number}: '{name}' is already on line {first[name]}; names must differ")
    return tuple(names)


def open_arrays(folder: Path, classes: int) -> Arrays:
    """Return the checked arrays of a folder; raise BadInput for the first fault, naming its file."""
    loaded: list[tuple[Images, Labels]] = []
    for part in PARTS:
        images = open_images(folder / f"{part}_images.npy")
        labels = read_labels(folder / f"{part}_labels.npy", classes)
        if len(images) != len(labels):
            raise BadInput(
                f"{folder}: {part}_images.npy holds {len(images):,} images, {part}_labels.npy {len(labels):,} labels"
            )
        loaded.append((images, labels))
    (train, train_labels), (test, test_labels) = loaded
    if train.shape[1:] != test.shape[1:]:
        sides = [f"{part.shape[1]}×{part.shape[2]}" for part in (train, test)]
        raise BadInput(
            f"{folder}: train_images.npy is {sides[0]} pixels, test_images.npy {sides[1]}; they must be equal"
        )
    return Arrays(train, train_labels, test, test_labels)
