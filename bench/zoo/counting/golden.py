"""The pinned figures of every model of the zoo, read without torch, and what follows from them."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.util.errors import BadInput
from bench.util.files import write_atomically

GOLDEN_PATH = Path(__file__).with_name("golden.json")


@dataclass(frozen=True)
class Golden:
    """One model's figures for one 3×32×32 image and 100 classes (see `counting.cost.Cost`), and its fingerprint."""

    params: int
    macs: int
    ptflops_macs: int
    activations: int
    fingerprint: str

    @property
    def flops(self) -> int:
        """Return floating-point operations of one forward pass: two per multiply-accumulate."""
        return 2 * self.macs


def read_golden(path: Path = GOLDEN_PATH) -> dict[str, Golden]:
    """Return the golden figures by model name; raise BadInput that names the file when it cannot be read."""
    try:
        return {name: Golden(**figures) for name, figures in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{path}: no golden figures ({error}); write them with 'python -m bench.zoo --update'."
        ) from error


def write_golden(figures: Mapping[str, Golden], path: Path = GOLDEN_PATH) -> None:
    """Write the golden figures, one model a line, in one step so that a reader never sees half a file."""
    lines = [f"  {json.dumps(name)}: {json.dumps(asdict(golden))}" for name, golden in figures.items()]
    write_atomically(path, "{\n" + ",\n".join(lines) + "\n}\n")


def same_networks(figures: Mapping[str, Golden]) -> list[list[str]]:
    """Return the groups of two or more names that build the same network, found by their fingerprints."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, golden in figures.items():
        groups[golden.fingerprint].append(name)
    return [names for names in groups.values() if len(names) > 1]
