"""No process outlives the one it was told to end with, however that one ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.util.parent import VARIABLE, with_parent
from tests.sweep.test_runner import is_alive, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends processes with their parents")
# A launcher that starts a process which ends with it, as `bench/train.py` does.
RANK = """
import os, time
from bench.util.parent import end_with_launcher
end_with_launcher()
print(os.getpid(), flush=True)
time.sleep(60)
"""
LAUNCHER = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {RANK!r}])"
PARENT = """
import subprocess, sys, time
from bench.util.parent import with_parent
child = subprocess.Popen(with_parent([sys.executable, "-c", sys.argv[1]]), start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""


def test_launcher_and_ranks_end_with_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, LAUNCHER], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    launcher, rank = (int(parent.stdout.readline()) for _ in range(2))
    assert is_alive(launcher)
    assert is_alive(rank)
    parent.kill()
    wait_for(lambda: not is_alive(rank) and not is_alive(launcher), 10)
    parent.communicate()


def test_a_command_whose_parent_has_ended_already_does_not_begin(tmp_path: Path) -> None:
    command = with_parent(["touch", str(tmp_path / "begun")])
    command[3] = "1"
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "begun").exists()


def test_the_command_keeps_its_exit_code_and_its_children_know_it() -> None:
    code = f"import os, sys; sys.exit(int(os.environ['{VARIABLE}']) == os.getpid() and 7)"
    assert subprocess.run(with_parent([sys.executable, "-c", code]), check=False).returncode == 7
    assert VARIABLE not in os.environ
