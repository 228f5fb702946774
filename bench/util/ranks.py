"""This process among those of its run, as the launcher's environment variables say; no torch is imported."""

import os


def rank() -> int:
    """Return this process's number in the run, 0 without a launcher."""
    return _read("RANK", 0)


def world_size() -> int:
    """Return the number of processes of the run, 1 without a launcher."""
    return _read("WORLD_SIZE", 1)


def local_rank() -> int:
    """Return this process's number among those of the run on this machine, 0 without a launcher."""
    return _read("LOCAL_RANK", 0)


def local_world_size() -> int:
    """Return the number of processes of the run on this machine, 1 without a launcher."""
    return _read("LOCAL_WORLD_SIZE", 1)


def node_rank() -> int:
    """Return this machine's number among the nodes of the run, 0 without a launcher."""
    return _read("NODE_RANK", 0)


def spans_nodes() -> bool:
    """Tell whether the run has processes on other machines (nodes) too, as far as the launcher says."""
    return world_size() > _read("LOCAL_WORLD_SIZE", world_size())


def _read(variable: str, default: int) -> int:
    """Return the number in an environment variable."""
    return int(os.environ.get(variable, default))
