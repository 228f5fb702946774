"""Keep freed memory for the next step: what a step allocates and frees, the next one allocates again."""

import ctypes
import sys

# Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Tell glibc to keep large freed blocks for this process instead of returning them to the system at once.

    By default it maps every block of more than 32 MiB anew, whose pages the system then clears one by one as they are
    first touched. Returns whether the C library took it; on others than glibc nothing changes. Numbers do not change
    anywhere: only addresses do. It is for programs that train one run: a process that trains many would only grow.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # Blocks come from the heap, and the heap is not cut when its end is free; -1 is the largest threshold there is.
    return all([mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, -1)])
