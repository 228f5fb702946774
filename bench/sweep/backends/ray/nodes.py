"""What a sweep asks of each node of a Ray cluster: its kind, its version of the suite, and the data set of a run.

These functions run on the nodes. A node needs this suite, installed as on the machine of the sweep, and nothing shared.
"""

import hashlib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from bench.data.datasets import DATASETS, data_root, find_folder, prepare_dataset
from bench.environment import REPOSITORY, cpu_model, describe_git, say_commit
from bench.spec import RunSpec
from bench.sweep.backends.machine import deal, driver_lists, usable_cores
from bench.util.errors import BadInput

PACKAGES = ("bench", "algorithms")


@dataclass(frozen=True)
class Description:
    """A node as it describes itself: the kind of machine, and its version of the suite, also in words."""

    kind: str
    code: str
    version: str


def describe_node() -> Description:
    """Return what kind of machine this is, and which version of the suite it has."""
    return Description(machine_kind(), code_digest(), say_commit(describe_git()))


def node_name(address: str, identity: str) -> str:
    """Return a node's address, and the start of its id: several nodes may have one address."""
    return f"node {address} ({identity[:6]})"


def machine_kind() -> str:
    """Return the processor, the number of usable cores and the GPUs: times of nodes with equal ones are comparable."""
    words, gpus = [cpu_model(), f"{len(usable_cores())} cores"], len(driver_lists())
    return " · ".join([*words, *([f"{gpus} × {gpu_model()}"] if gpus else [])])


def gpu_model() -> str:
    """Return the model of this machine's first GPU as nvidia-smi gives it, or "GPU"."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return "GPU"
    return (listed.splitlines() or ["GPU"])[0].strip()


@cache
def code_digest() -> str:
    """Return a SHA-256 over the Python files of the suite on this machine: equal digests are the same version."""
    found = hashlib.sha256()
    for path in sorted(path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py")):
        found.update(f"{path.relative_to(REPOSITORY)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def find_data(spec: RunSpec) -> None:
    """Find the data set of a run on this node, else draw or download it; raise BadInput if it cannot be had."""
    # A relative folder counts from where a run starts.
    name, root = spec.data.name, REPOSITORY / data_root(spec.data.root)
    try:
        find_folder(name, root)
    except BadInput:
        if name not in DATASETS or DATASETS[name].download is None:
            raise
        prepare_dataset(name, root / name)


def lacks_data(spec: RunSpec) -> str:
    """Return why a run's data set cannot be had on this node, or an empty text."""
    try:
        find_data(spec)
    except BadInput as error:
        return str(error)
    return ""


def other_version(node: str, description: Description, here: Description) -> str:
    """Return that a node has another version of the suite, or an empty text."""
    if description.code == here.code:
        return ""
    return (
        f"{node} has another version of this suite ({description.version}) than this machine ({here.version}): "
        "bring both to the same one"
    )


def share_of_gpus(cores: Sequence[int], every: Sequence[str], gpus: Sequence[str]) -> tuple[int, ...]:
    """Return the cores that go with some GPUs of a machine: each GPU has an even share of them.

    All cores where a GPU is not among those that the machine lists, as a part of one is.
    """
    if not set(gpus) <= set(every):
        return tuple(cores)
    shares = deal(cores, len(every))
    return tuple(sorted({core for gpu in gpus for core in shares[every.index(gpu)]}))
