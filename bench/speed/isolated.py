"""Call a function in its own process, so that no state is left behind."""

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any | None:
    """Return what a function returns in its own process, None when it fails there (its traceback is printed).

    Composer's W&B logger and its process group serve one Trainer a process, and the peak of memory is a process's own.
    The process is forked after all imports; where CUDA is in use, which does not survive a fork, it is a fresh one.
    """
    import torch

    import bench.engines.composer  # noqa: F401 - imported once, for all forks

    context: Any = multiprocessing.get_context("spawn" if torch.cuda.is_initialized() else "fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_call, args=(theirs, function, arguments))
    child.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        return None
    finally:
        child.join()


def _call(pipe: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Send what the function returns, or print why it does not."""
    try:
        pipe.send(function(*arguments))
    except Exception:
        traceback.print_exc()
    finally:
        pipe.close()
