"""Freed memory stays with the process: what is allocated again needs no new pages."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from bench.engines.memory import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()

def faults() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(64 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
print(faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc")
def test_memory_that_is_freed_is_there_again() -> None:
    """64 MiB in pages of 4 KiB are 16,384 faults, in huge ones of 2 MiB 32."""
    found = {
        how: int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True).stdout)
        for how in ("keep", "return")
    }
    assert found["keep"] < 8 < found["return"]
