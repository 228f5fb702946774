"""The registry of data sets, and `load_dataset`: a name → checked, memory-mapped images and labels."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bench.data import shapes100
from bench.data.layout import CLASSES_FILE, Arrays, Images, Labels, open_arrays, read_classes
from bench.data.normalisation import Constants, kept_mean_std
from bench.data.prepare import (
    Download,
    Drawing,
    Image,
    Sizes,
    check_version,
    prepare_download,
    prepare_drawn,
    three_ways,
    torchvision_parts,
)
from bench.util.errors import BadInput, check_known, unknown

SplitName = Literal["test", "tuning"]

ROOT_VARIABLE = "BENCH_DATA"
DEFAULT_ROOT = "data"
# The share of each class held out by the split "tuning", and the fixed seed that chooses it.
TUNING_SHARE = 10
TUNING_SEED = 45_000


@dataclass(frozen=True, eq=False)
class Split:
    """The images (uint8 N×H×W×3) and labels (int64 N) that are used: all of a file, or a copy of some of its rows.

    A whole file is memory-mapped, so all processes of a machine share its pages. `source_rows` says which rows of the
    file a copy was taken from; it is None for a whole file.
    """

    images: Images
    labels: Labels
    source_rows: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """What a run trains on and what it evaluates on; `mean` and `std` (0 to 1) are those of all training images."""

    name: str
    classes: tuple[str, ...]
    mean: Constants
    std: Constants
    train: Split
    evaluation: Split
    split_name: SplitName

    @property
    def image(self) -> Image:
        """Return the shape (channels, height, width) of an image."""
        _, height, width, channels = self.train.images.shape
        return channels, height, width


@dataclass(frozen=True)
class DatasetRow:
    """All that is known of a data set before its files are opened: a new one is one such row of DATASETS.

    `image` is the shape (channels, height, width); `mean` and `std` (0 to 1) are those of its training images. It is
    had by one of `download` and `drawing`; one that is drawn needs no network, so `load_dataset` makes it by itself,
    and `train` and `test` are then what is drawn unless another number is asked for. `check` raises BadInput for
    arrays that have the right shapes and labels and are yet not this data set.
    """

    image: Image
    classes: int
    mean: Constants
    std: Constants
    train: int
    test: int
    download: Download | None = None
    drawing: Drawing | None = None
    check: Callable[[Path, Arrays], None] = lambda folder, arrays: None

    @property
    def sizes(self) -> Sizes:
        """Return how many images there are, or are drawn."""
        return Sizes(self.train, self.test)


def check_balance(folder: Path, arrays: Arrays) -> None:
    """Raise BadInput unless every class has as many images as any other, in each part."""
    for part, labels in (("train", arrays.train_labels), ("test", arrays.test_labels)):
        counts = np.bincount(labels)
        if counts.min() != counts.max():
            raise BadInput(
                f"{folder / f'{part}_labels.npy'} has {counts.min():,} to {counts.max():,} images per class; "
                "this data set has the same number of each"
            )


def cifar(name: str, classes: int, mean: Constants, std: Constants) -> DatasetRow:
    """Return the row of a data set of Krizhevsky's (2009) that torchvision downloads under a name."""
    download = partial(torchvision_parts, name)
    return DatasetRow((3, 32, 32), classes, mean, std, 50_000, 10_000, download=download, check=check_balance)


DATASETS: dict[str, DatasetRow] = {
    "cifar100": cifar("CIFAR100", 100, (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
    "cifar10": cifar("CIFAR10", 10, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "shapes100": DatasetRow(
        (3, shapes100.SIDE, shapes100.SIDE),
        len(shapes100.CLASSES),
        shapes100.MEAN,
        shapes100.STD,
        50_000,
        10_000,
        drawing=Drawing(shapes100.batches, shapes100.CLASSES, shapes100.VERSION, "about 10 s for 60,000"),
    ),
}


def prepare_dataset(name: str, folder: Path, *, sizes: Sizes | None = None, force: bool = False) -> bool:
    """Make the folder of a registered data set unless it is there; return whether it was made.

    `sizes` is for a data set that is drawn. Raises BadInput if it cannot be made, or is there with other sizes.
    """
    row = DATASETS[name]
    if row.drawing:
        return prepare_drawn(name, row.drawing, row.image, row.sizes, folder, sizes=sizes, force=force)
    assert row.download is not None, f"the row of '{name}' says neither how it is downloaded nor how it is drawn"
    return prepare_download(name, row.download, folder, lambda made: check_files(name, made), force=force)


def check_files(name: str, folder: Path) -> Arrays:
    """Return the arrays of a registered data set's folder; raise BadInput unless they are that data set."""
    row = DATASETS[name]
    arrays = open_arrays(folder, row.classes)
    for part, images, count in (("train", arrays.train_images, row.train), ("test", arrays.test_images, row.test)):
        allowed = (len(images) if row.drawing else count, *row.image[1:], row.image[0])
        if images.shape != allowed:
            raise BadInput(
                f"{folder / f'{part}_images.npy'} has the shape {images.shape}; {name} has {allowed}. "
                "A subset or a modified version needs a name of its own"
            )
    class_names(name, folder)
    if row.drawing:
        check_version(name, row.drawing, folder)
    row.check(folder, arrays)
    return arrays


def data_root(root: str | Path | None = None) -> Path:
    """Return the folder of data sets: the one given, else the environment variable BENCH_DATA, else ./data."""
    return Path(root or os.environ.get(ROOT_VARIABLE) or DEFAULT_ROOT).expanduser()


def names_under(root: Path) -> list[str]:
    """Return the names of all data sets that can be loaded: the registered ones and the folders under the root."""
    try:
        own = {path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")}
    except OSError:
        own = set()
    return sorted(own | set(DATASETS))


def check_name(name: str, root: Path) -> None:
    """Raise BadInput for a name that no folder of a data set can have."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", name):
        raise BadInput(f"data set '{name}': allowed are letters, digits and _ . + - (a folder directly under {root})")


def find_folder(name: str, root: Path) -> Path:
    """Return the folder of a data set, drawing it first if it is drawn by code; raise BadInput if there is none."""
    folder = root / name
    check_name(name, root)
    drawn = name in DATASETS and DATASETS[name].drawing is not None
    # An empty folder under a name that can be downloaded gets the same advice as none.
    if folder.is_dir() and (name not in DATASETS or drawn or any(folder.iterdir())):
        return folder
    if name not in DATASETS:
        raise BadInput(
            f"{unknown('data set', name, names_under(root))} Put your own data into {folder}/ as "
            "{train,test}_{images,labels}.npy and classes.txt; "
            f"`python -m bench.data folder --from DIR --size 32 --name {name}` makes that of a folder of images."
        )
    if not drawn:
        raise BadInput(f"data set '{name}' is not in {folder}. {three_ways(name, folder)}")
    prepare_dataset(name, folder)
    return folder


def class_names(name: str, folder: Path) -> tuple[str, ...]:
    """Return the names of the classes; of a data set with a known count also made up, if there is no classes.txt."""
    path = folder / CLASSES_FILE
    if name not in DATASETS:
        return read_classes(path)
    count = DATASETS[name].classes
    if not path.exists():
        return tuple(f"class_{number:0{len(str(count - 1))}}" for number in range(count))
    names = read_classes(path)
    if len(names) != count:
        raise BadInput(f"{path} names {len(names)} classes; {name} has {count}")
    return names


def tuning_indices(labels: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows (train, held out) of the split "tuning": 10 % of each class held out, by a fixed seed.

    The share is rounded to whole images, at least one of any class that has two. Each row gets a random key that
    depends on its position alone; the smallest keys of each class are held out. Both results are ascending and
    together are every row.
    """
    keys = np.random.Philox(key=np.array([TUNING_SEED, 0], np.uint64)).random_raw(len(labels))
    order = np.lexsort((keys, labels))
    counts = np.bincount(labels)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    share = np.where(counts >= 2, np.maximum(1, (counts * TUNING_SHARE + 50) // 100), 0)
    held = np.zeros(len(labels), bool)
    held[order] = np.arange(len(labels)) - starts < np.repeat(share, counts)
    return np.flatnonzero(~held), np.flatnonzero(held)


def _take(arrays: Arrays, rows: NDArray[np.int64]) -> Split:
    """Return the split that consists of some rows of the training images."""
    return Split(arrays.train_images[rows], arrays.train_labels[rows], rows)


def _splits(folder: Path, arrays: Arrays, split: SplitName) -> tuple[Split, Split]:
    """Return the training and the evaluation split."""
    if split == "test":
        return Split(arrays.train_images, arrays.train_labels), Split(arrays.test_images, arrays.test_labels)
    train, held = tuning_indices(arrays.train_labels)
    if not len(held):
        raise BadInput(
            f"{folder / 'train_labels.npy'} has no class with two images: nothing to hold out for split 'tuning'"
        )
    return _take(arrays, train), _take(arrays, held)


def load_dataset(name: str, root: str | Path | None = None, split: SplitName = "test") -> Dataset:
    """Return a data set by name, checked: registered, or a folder of the user's own in the same layout under `root`.

    `root` None means BENCH_DATA, else ./data. `split` says what is evaluated: "test", the whole test set, or "tuning",
    a tenth of the training images, which are then not trained on. What is drawn by code is drawn at the first
    use; any number of processes may call this at once. Raises BadInput for a name or file that cannot be used.
    """
    check_known("split", split, get_args(SplitName))
    folder = find_folder(name, data_root(root))
    row = DATASETS.get(name)
    classes = class_names(name, folder)
    arrays = check_files(name, folder) if row else open_arrays(folder, len(classes))
    mean, std = (row.mean, row.std) if row else kept_mean_std(folder, arrays.train_images)
    train, evaluation = _splits(folder, arrays, split)
    return Dataset(name, classes, mean, std, train, evaluation, split)
