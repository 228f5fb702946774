"""This process among those of its run, as the launcher's environment variables say; no torch is imported."""

import os


def rank() -> int:
    """Return this process's number in the run, 0 without a launcher."""
    return _read("RANK", 0)


def world_size() -> int:
    """Return the number of processes of the run, 1 without a launcher."""
    return _read("WORLD_SIZE", 1)


def local_world_size() -> int:
    """Return the number of processes of the run on this machine, 1 without a launcher."""
    return _read("LOCAL_WORLD_SIZE", 1)


def _read(variable: str, default: int) -> int:
    """Return the number in an environment variable."""
    return int(os.environ.get(variable, default))
