"""Images in folders, one sub-folder a class: which there are, in an order that depends on nothing but their names.

Two layouts: `train/<class>/…` beside `test/<class>/…` (or `val/`), or `<class>/…` alone, of which a share is held out
as the test set. A file belongs to that share by a hash of its path, whatever else lies in the tree. Nothing holds more
than the names of one directory at a time.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from bench.data.layout import PARTS
from bench.util.errors import BadInput

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff"})
# What the folder of the test images may be called: the first that is there and has classes.
TEST_FOLDERS = ("test", "val", "validation")
SPLIT_KEY = b"bench.data.folder"


class Item(NamedTuple):
    """An image file: its path, the part and the class that it belongs to."""

    path: Path
    part: str
    label: int


@dataclass(frozen=True)
class Tree:
    """A tree of images; `test_share` (0 to 1) of them are the test set, None where the tree has folders for that."""

    root: Path
    test_share: float | None = None

    @cached_property
    def parts(self) -> dict[str, Path]:
        """Return the folders of classes by part; of a tree that is split by share only "train"."""
        if self.test_share is not None:
            return {"train": self.root}
        found = [self.root / name for name in TEST_FOLDERS if (self.root / name).is_dir()]
        return {"train": self.root / "train", "test": next(filter(subfolders, found), found[0])}

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes, sorted."""
        return tuple(subfolders(self.parts["train"]))

    def items(self) -> Iterator[Item]:
        """Yield the image files: by part, class, and path."""
        try:
            for part, folder in self.parts.items():
                for label, name in enumerate(self.classes):
                    for path in image_files(folder / name):
                        yield Item(path, self._part_of(part, path), label)
        except OSError as error:
            raise BadInput(f"--from {error.filename}: cannot be read: {error.strerror}") from None

    def _part_of(self, part: str, path: Path) -> str:
        """Return the part of a file that lies in a part's folder."""
        if self.test_share is None:
            return part
        name = os.fsencode(path.relative_to(self.root).as_posix())
        place = int.from_bytes(hashlib.blake2b(name, digest_size=8, key=SPLIT_KEY).digest(), "big") / 2**64
        return PARTS[place < self.test_share]

    def survey(self) -> "Survey":
        """Return how many files there are of each part, and a digest of their names and sizes."""
        digest, counts = hashlib.sha256(), dict.fromkeys(PARTS, 0)
        for item in self.items():
            counts[item.part] += 1
            name = os.fsencode(item.path.relative_to(self.root).as_posix())
            digest.update(b"%b\0%d\0" % (name, item.path.stat().st_size if item.path.is_file() else -1))
        return Survey(counts["train"], counts["test"], digest.hexdigest())


class Survey(NamedTuple):
    """What there is to convert: training and test files, and the digest of their names and sizes."""

    train: int
    test: int
    digest: str

    @property
    def files(self) -> int:
        """Return the number of all files."""
        return self.train + self.test


def open_tree(root: Path, test_share: float | None) -> Tree:
    """Return a tree of images, checked; raise BadInput for one without classes, and where no images are to test on."""
    if not root.is_dir():
        raise BadInput(f"--from {root}: there is no such folder")
    divided = (root / "train").is_dir() and any((root / name).is_dir() for name in TEST_FOLDERS)
    if divided and test_share is not None:
        raise BadInput(f"--test-share: {root} has a folder of test images already; leave --test-share out")
    if not divided and test_share is None:
        raise BadInput(
            f"--from {root}: there are no folders train/ and {'/, '.join(TEST_FOLDERS)}/ in it; "
            "--test-share 0.1 holds a tenth of its images out as the test set"
        )
    tree = Tree(root, test_share)
    check_classes(tree)
    return tree


def check_classes(tree: Tree) -> None:
    """Raise BadInput unless each part has the same sub-folders, at least two, whose names a text file can hold."""
    if len(tree.classes) < 2:
        raise BadInput(f"{tree.parts['train']}: holds {len(tree.classes)} sub-folders; at least two classes are needed")
    for name in tree.classes:
        if name != name.strip() or not name.isprintable():
            raise BadInput(f"{tree.parts['train']}: the sub-folder {name!r} cannot be the name of a class; rename it")
    for folder in tree.parts.values():
        if others := set(subfolders(folder)) ^ set(tree.classes):
            raise BadInput(
                f"{folder}: its classes are not those of {tree.parts['train']}: {sorted(others)[0]!r} differs"
            )


def subfolders(folder: Path) -> list[str]:
    """Return the names of a folder's sub-folders, sorted; hidden ones are left out."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def image_files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder whose names end as an image's, sorted; hidden ones are left out."""

    def refuse(error: OSError) -> None:
        """Raise what os.walk would pass over in silence."""
        raise error

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(place, name)
