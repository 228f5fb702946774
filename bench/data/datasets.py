"""The registry of data sets, and `load_dataset`: a name → checked, memory-mapped images and labels."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bench.data import shapes100
from bench.data.layout import CLASSES_FILE, Arrays, Images, Labels, open_arrays, read_classes
from bench.data.normalisation import Constants, kept_mean_std
from bench.data.prepare import prepare_cifar, prepare_shapes100, read_record, three_ways
from bench.util.errors import BadInput, unknown

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


@dataclass(frozen=True)
class Registered:
    """What is known of a data set before its files are opened; a size of None may be chosen when it is prepared."""

    classes: int
    mean: Constants
    std: Constants
    train: int | None
    test: int | None
    # prepare(folder, *, force=False): make the folder unless it is there; return whether it was made.
    prepare: Callable[..., bool]
    # Whether load_dataset may make it by itself: it needs no network.
    embedded: bool = False


def check_cifar(name: str, folder: Path) -> None:
    """Raise BadInput unless a folder holds the whole CIFAR data set of that name."""
    classes = DATASETS[name].classes
    arrays = open_arrays(folder, classes)
    _check_sizes(name, folder, arrays)
    _class_names(name, folder)


def _prepare_cifar10(folder: Path, *, force: bool = False) -> bool:
    """Download and convert CIFAR-10 unless the folder is there."""
    return prepare_cifar(folder, lambda made: check_cifar("cifar10", made), force=force)


def _prepare_cifar100(folder: Path, *, force: bool = False) -> bool:
    """Download and convert CIFAR-100 unless the folder is there."""
    return prepare_cifar(folder, lambda made: check_cifar("cifar100", made), force=force)


DATASETS: dict[str, Registered] = {
    "cifar100": Registered(100, (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761), 50_000, 10_000, _prepare_cifar100),
    "cifar10": Registered(10, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), 50_000, 10_000, _prepare_cifar10),
    "shapes100": Registered(100, shapes100.MEAN, shapes100.STD, None, None, prepare_shapes100, embedded=True),
}


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


def find_folder(name: str, root: Path) -> Path:
    """Return the folder of a data set, making it first if it is the embedded one; raise BadInput if there is none."""
    folder = root / name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", name):
        raise BadInput(f"data set '{name}': allowed are letters, digits and _ . + - (a folder directly under {root})")
    embedded = name in DATASETS and DATASETS[name].embedded
    # An empty folder under a name that can be downloaded gets the same advice as none.
    if folder.is_dir() and (name not in DATASETS or embedded or any(folder.iterdir())):
        return folder
    if name not in DATASETS:
        raise BadInput(
            f"{unknown('data set', name, names_under(root))} Data of your own go into {folder}/ as "
            "{train,test}_{images,labels}.npy and classes.txt."
        )
    if not embedded:
        raise BadInput(f"data set '{name}' is not in {folder}. {three_ways(name, folder)}")
    DATASETS[name].prepare(folder)
    return folder


def _class_names(name: str, folder: Path) -> tuple[str, ...]:
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


def _check_sizes(name: str, folder: Path, arrays: Arrays) -> None:
    """Raise BadInput unless a registered data set has 32×32 images, and as many as it is known to have."""
    known = DATASETS[name]
    for part, images, size in (("train", arrays.train_images, known.train), ("test", arrays.test_images, known.test)):
        allowed = (size or len(images), 32, 32, 3)
        if images.shape != allowed:
            raise BadInput(
                f"{folder / f'{part}_images.npy'} has the shape {images.shape}; {name} has {allowed}. "
                "A part of it, or a changed one, must have a name of its own"
            )


def _check_version(folder: Path) -> None:
    """Raise BadInput if the embedded data set was drawn by another version of the code."""
    version = read_record(folder).get("version", shapes100.VERSION)
    if version != shapes100.VERSION:
        raise BadInput(
            f"{folder} was drawn by version {version}, this is version {shapes100.VERSION}; "
            "`python -m bench.data shapes100 --force` draws it again"
        )


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
    a tenth of the training images, which are then not trained on. shapes100 is drawn at the first use; any number of
    processes may call this at once. Raises BadInput for a name or file that cannot be used.
    """
    if split not in get_args(SplitName):
        raise unknown("split", split, get_args(SplitName))
    folder = find_folder(name, data_root(root))
    known = DATASETS.get(name)
    classes = _class_names(name, folder)
    arrays = open_arrays(folder, len(classes))
    if known:
        _check_sizes(name, folder, arrays)
        mean, std = known.mean, known.std
    else:
        mean, std = kept_mean_std(folder, arrays.train_images)
    if name == "shapes100":
        _check_version(folder)
    train, evaluation = _splits(folder, arrays, split)
    return Dataset(name, classes, mean, std, train, evaluation, split)
