"""Packages that only some uses need: what needs one that is not installed says how to install it."""

from importlib.util import find_spec

from bench.util.errors import BadInput

# What installs the packages of the extras of this project.
EVALUATE = "-e '.[evaluate]'"
RAY = "-e '.[ray]'"
# What an address ray://… needs beside it.
RAY_CLIENT = "'ray[client]'"


def require(module: str, requirement: str, use: str) -> None:
    """Refuse a use of a module that is not installed, with the command that installs the requirement."""
    if find_spec(module) is None:
        raise BadInput(f"{use} needs the package '{module}', which is not installed: pip install {requirement}")
