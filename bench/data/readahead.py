"""Reading images before they are needed, for a data set that memory does not hold.

A batch's images lie anywhere in the file, so each would be waited for when it is touched, one after another. Asked for
beforehand, the system reads them side by side while the batches before them are worked on.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from torch import Tensor

from bench.data.layout import Images
from bench.environment import usable_memory

# A file that takes less of the memory than this stays there once it was read, so that asking would only cost time.
KEPT_SHARE = 0.5
# How much is asked for beyond the batch that is yielded: what a disk of 1 GB/s reads in a quarter of a second.
AHEAD = 1 << 28


def is_larger_than_memory(size: int, memory: int) -> bool:
    """Tell whether a file of some bytes is too large to stay in a memory of some bytes beside all else."""
    return size > KEPT_SHARE * memory


def reading_ahead(images: Images, batches: Iterable[Tensor], memory: int | None = None) -> Iterator[Tensor]:
    """Yield batches, each the row numbers of its samples, having asked for those rows of the images.

    Only rows of a memory-mapped file larger than memory are asked for; `memory` is in bytes, by default what this
    process may use.
    """
    total = usable_memory() if memory is None else memory
    mapped = isinstance(images, np.memmap) and images.filename is not None and hasattr(os, "posix_fadvise")
    if not mapped or not is_larger_than_memory(images.nbytes, total):
        yield from batches
        return
    assert isinstance(images, np.memmap)
    assert images.filename is not None
    with Path(images.filename).open("rb") as file:
        asked: deque[Tensor] = deque()
        for batch in batches:
            for first, size in spans(images, batch):
                os.posix_fadvise(file.fileno(), first, size, os.POSIX_FADV_WILLNEED)
            asked.append(batch)
            if sum(map(len, asked)) * images[0].nbytes > AHEAD:
                yield asked.popleft()
        yield from asked


def spans(images: np.memmap, rows: Tensor) -> Iterator[tuple[int, int]]:
    """Yield where each row of N×H×W×3 images lies in their file: (first byte, bytes)."""
    size = images[0].nbytes
    return ((images.offset + row * size, size) for row in rows.tolist())
