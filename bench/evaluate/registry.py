"""The evaluators as one dict: name → what it measures, and the functions that do; none imports torch until it is used.

An evaluator is one file with two functions: `measure(trained, predictions)` returns plain data, `show(measured)` the
lines that are printed. `python -m bench.evaluate RUN --<name>` runs it, and `--json` keeps what it measured.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.evaluate.trained import Predictions, Trained

Measured = Mapping[str, Any]


@dataclass(frozen=True)
class Evaluator:
    """What an evaluator measures, in words, and the module that does."""

    summary: str
    module: str

    @property
    def measure(self) -> "Callable[[Trained, Predictions], Measured]":
        """Return the function from a network and its predictions to plain data."""
        function: Callable[[Trained, Predictions], Measured] = import_module(self.module).measure
        return function

    @property
    def show(self) -> Callable[[Measured], Sequence[str]]:
        """Return the function from what was measured to lines for the terminal."""
        function: Callable[[Measured], Sequence[str]] = import_module(self.module).show
        return function


EVALUATORS: dict[str, Evaluator] = {
    "per_class": Evaluator("accuracy of each class, worst first", "bench.evaluate.per_class"),
}
