"""A test process that outgrows the limit of memory fails the file in which it did, and no other."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

FILES = {
    "test_a.py": "def test_small(): pass\n",
    "test_b.py": "KEPT = []\ndef test_large(): KEPT.append(bytearray(b'1') * (600 << 20))\n",
    "test_c.py": "def test_small(): pass\n",
    "pytest.ini": "[pytest]\nmemory_limit_gib = 0.5\n",
}


@pytest.mark.parametrize("processes", [0, 1])
def test_the_file_that_outgrows_the_limit_fails(processes: int, tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "tests.memory_limit", "-n", str(processes), "--rootdir", "."]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "3 passed, 1 error" in done.stdout
    assert "ERROR test_b.py::test_large" in done.stdout
    assert "before test_b.py; limit 0.5" in done.stdout
    assert ("most memory: gw0 0." if processes else "most memory: this process 0.") in done.stdout
