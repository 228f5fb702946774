"""Reading ahead: which sets need it, that batches stay the same, and that what is asked for is what is used."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.data.layout import open_images
from bench.data.readahead import is_larger_than_memory, reading_ahead

GIB = 1 << 30
pytestmark = pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="the system cannot be asked to read ahead")


@pytest.mark.parametrize(
    ("size", "memory", "needed"),
    [
        (150 << 20, 8 * GIB, False),  # CIFAR on a laptop
        (15 * GIB, 64 * GIB, False),  # ImageNet at 64 pixels on a server
        (15 * GIB, 24 * GIB, True),
        (180 * GIB, 128 * GIB, True),  # ImageNet at 224 pixels
    ],
)
def test_a_set_that_stays_in_memory_is_not_read_ahead(size: int, memory: int, needed: bool) -> None:
    assert is_larger_than_memory(size, memory) == needed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file of 50 images of 8×8 pixels."""
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    return tmp_path / "images.npy"


def batches() -> Iterator[Tensor]:
    """Yield the rows 0 to 49 in another order, in batches of 10."""
    yield from torch.randperm(50, generator=torch.Generator().manual_seed(1)).split(10)


@pytest.mark.parametrize("ahead", [0, 2 * 10 * 8 * 8 * 3, GIB])
def test_rows_are_asked_for_before_they_are_yielded(path: Path, ahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def advise(file: int, first: int, size: int, advice: int) -> None:
        assert advice == os.POSIX_FADV_WILLNEED
        asked.append(os.pread(file, size, first))

    monkeypatch.setattr("bench.data.readahead.os.posix_fadvise", advise)
    monkeypatch.setattr("bench.data.readahead.AHEAD", ahead)
    images, seen = open_images(path), []
    for batch in reading_ahead(images, batches(), memory=1):
        assert {images[row].tobytes() for row in batch.tolist()} <= set(asked)
        seen.append((batch.tolist(), len(asked)))
    assert [rows for rows, _ in seen] == [batch.tolist() for batch in batches()]
    assert len(asked) == 50
    assert seen[0][1] == min(50, ahead // (8 * 8 * 3) + 10)


def test_small_sets_and_arrays_in_memory_are_left_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.data.readahead.os.posix_fadvise", lambda *_: pytest.fail("asked for"))
    images = open_images(path)
    for source, memory in ((images, GIB), (images, None), (np.array(images), 1)):
        assert [batch.tolist() for batch in reading_ahead(source, batches(), memory)] == [b.tolist() for b in batches()]


def test_the_system_takes_the_advice(path: Path) -> None:
    assert len(list(reading_ahead(open_images(path), batches(), memory=1))) == 5
