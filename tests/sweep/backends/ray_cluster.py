"""A Ray cluster on this machine: a head without CPUs, and nodes of one CPU with folders and data sets of their own."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.conftest import REPOSITORY

STORE = 80 * 2**20


class Nodes:
    """The cluster's two nodes; `folder` holds their own folders, and each has the data sets in the folders `data`."""

    def __init__(self, folder: Path, data: Sequence[Path]) -> None:
        from ray.cluster_utils import Cluster

        self.folder, self.data = folder, data
        self._shared = {"BENCH_LOCKS": str(folder / "host"), "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        # Ray's sockets are below its folder, and their paths must be short.
        head: dict[str, Any] = {"num_cpus": 0, "temp_dir": tempfile.mkdtemp(prefix="ray"), "no_monitor": True}
        head |= {"include_dashboard": False, "include_log_monitor": False, "object_store_memory": STORE}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self._nodes: dict[str, Any] = {}
        self._added = 0
        self.restore()

    @property
    def address(self) -> str:
        """Return what `--address` is given."""
        return str(self._cluster.address)

    def restore(self) -> None:
        """Add nodes until there are two."""
        while len(self._nodes) < 2:
            self._added += 1
            own = self.folder / f"node{self._added}"
            (own / "data").mkdir(parents=True)
            for path in self.data:
                (own / "data" / path.name).symlink_to(path)
            environment = {**self._shared, "BENCH_WORK": str(own / "work"), "BENCH_DATA": str(own / "data")}
            node = self._cluster.add_node(num_cpus=1, object_store_memory=STORE, env_vars=environment)
            self._nodes[own.name] = node

    def lose(self, path: Path) -> None:
        """Kill at once the node in whose folder a path is."""
        name = path.relative_to(self.folder).parts[0]
        self._cluster.remove_node(self._nodes.pop(name), allow_graceful=False)

    def close(self) -> None:
        """End the cluster."""
        self._cluster.shutdown()

    def find(self, pattern: str) -> list[Path]:
        """Return what the directories of runs on the nodes hold: paths that match a pattern."""
        return sorted(self.folder.glob(f"node*/work/run-*/runs/*/*/{pattern}"))

    def processes(self) -> list[psutil.Process]:
        """Return the processes of runs on the nodes: each of them is told the path of its spec there."""
        return [process for process in psutil.process_iter() if self._trains(process)]

    def _trains(self, process: psutil.Process) -> bool:
        """Tell whether a process is one of a run on the nodes."""
        try:
            return any(word.startswith(str(self.folder)) for word in process.cmdline())
        except psutil.Error:
            return False


@contextmanager
def two_nodes(folder: Path, data: Sequence[Path]) -> Iterator[Nodes]:
    """Give a cluster of two nodes, which is gone at the end."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    nodes = Nodes(folder, data)
    try:
        yield nodes
    finally:
        nodes.close()
