"""Packages that only some uses need: what needs one that is not installed says how to install it."""

from importlib.util import find_spec

from bench.util.errors import BadInput

# What installs the packages of an extra of this project.
EVALUATE = "-e '.[evaluate]'"


def require(module: str, requirement: str, use: str) -> None:
    """Refuse a use of a module that is not installed, with the command that installs the requirement."""
    if find_spec(module) is None:
        raise BadInput(f"{use} needs the package '{module}', which is not installed: pip install {requirement}")
