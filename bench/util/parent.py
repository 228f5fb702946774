"""End a process with its parent, however that one ends (Linux): no run outlives what started it on a borrowed machine.

`python -IS bench/util/parent.py PID COMMAND …` becomes the command, which the kernel kills when its parent, the process
PID, has ended. Its children ask for the same by `end_with_launcher`: the kernel forgets the request when one is forked.

The kernel counts a parent as ended with the thread that started the child: start it from one that stays.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

# Set for the children of a command that ends with its parent: the command's own process.
VARIABLE = "BENCH_LAUNCHER"
# From <linux/prctl.h>.
PR_SET_PDEATHSIG = 1


def with_parent(command: Sequence[str]) -> list[str]:
    """Return the command that ends with this process, which must be the one that starts it."""
    return [sys.executable, "-IS", __file__, str(os.getpid()), *command]


def end_with(parent: int) -> None:
    """Let the kernel kill this process when its parent ends; end at once if it has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def end_with_launcher() -> None:
    """Let this process end with the launcher, if that one was told to end with its own parent."""
    launcher = os.environ.get(VARIABLE)
    if launcher:
        end_with(int(launcher))


def main(words: Sequence[str]) -> None:
    """Become the command in the words after the parent's number."""
    parent, *command = words
    end_with(int(parent))
    os.environ[VARIABLE] = str(os.getpid())
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
