"""Train on the nodes of a Ray cluster: each run is an actor with CPUs and GPUs of its own, on whichever node has them.

    python -m bench.sweep -f SUITE --backend ray [--address auto|ray://…] [--fetch-every SECONDS]

Without an address Ray is started on this machine, for as long as the sweep lasts. Nothing is shared but the cluster:
every node has this suite, of the same version, and finds or downloads the data sets by its own BENCH_DATA. What runs
leave is written here alone, so that a lost node costs at most what was trained between two checkpoints of the run and
the time until they are fetched. A sweep that ends, in whatever way, takes its runs with it; the next goes on with them.

A suite for timing is trained on nodes of one kind, each run alone on its node; `kind` in the record names it.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.records import ENVIRONMENT
from bench.sweep.backends.locks import RunLock
from bench.sweep.backends.machine import MEMORY_OF_A_RUN, Machine
from bench.sweep.backends.ray.connect import (
    Node,
    capacity,
    check_installed,
    connect,
    cpus_each,
    describe_nodes,
    list_nodes,
    nodes_without_data,
)
from bench.sweep.backends.ray.job import ANYWHERE, RayJob, Terms
from bench.sweep.backends.ray.nodes import Description, describe_node, other_version
from bench.sweep.backends.ray.worker import Request
from bench.sweep.backends.tree import Launcher, compose
from bench.sweep.suite import PlannedRun, Suite
from bench.sweep.timing.estimate import Estimate, tasks_of, works_of
from bench.sweep.timing.throughput import Figures
from bench.util.errors import BadInput
from bench.util.untrusted import read_json

FETCH_EVERY = 30.0


@dataclass(frozen=True)
class RayPlace:
    """Room for one run in the cluster, with so many CPUs; Ray says on which node."""

    index: int
    cpus: int
    name: str = ANYWHERE


class RayBackend:
    """The nodes of a Ray cluster, to which this process connects when it first needs them."""

    def __init__(
        self,
        suite: Suite,
        *,
        address: str | None = None,
        fetch_every: float = FETCH_EVERY,
        launcher: Launcher = compose,
    ) -> None:
        check_installed(address)
        self.suite, self.address, self.fetch_every, self.launcher = suite, address, fetch_every, launcher
        self._jobs: dict[int, RayJob] = {}
        self._kind = ""
        self._taken: set[str] = set()
        self._choosing = threading.Lock()

    @cached_property
    def here(self) -> Description:
        """Return what this machine is, and its version of the suite."""
        return describe_node()

    @cached_property
    def nodes(self) -> dict[str, tuple[Node, Description]]:
        """Return the nodes for runs, by id, as they were when they were first asked for; connect to the cluster.

        Raises BadInput if there is none, or if one has another version of the suite.
        """
        connect(self.address)
        found = list_nodes()
        if not found:
            raise BadInput("the Ray cluster has no node with a CPU for runs: start one with `ray start --address=…`")
        return self._described(found)

    def _described(self, nodes: Sequence[Node]) -> dict[str, tuple[Node, Description]]:
        """Return nodes with what they are; raise BadInput for one with another version of the suite."""
        descriptions = describe_nodes(nodes)
        reasons = [other_version(node.name, descriptions[node.id], self.here) for node in nodes]
        if any(reasons):
            raise BadInput("\n".join(filter(None, reasons)))
        return {node.id: (node, descriptions[node.id]) for node in nodes}

    def prepare(self, run: PlannedRun) -> None:
        """Find a run's data set on every node, or draw or download it; raise BadInput naming one without it."""
        lacking = nodes_without_data([node for node, _ in self.nodes.values()], run.spec)
        if lacking:
            raise BadInput("\n".join(lacking))

    def exclusive(self, say: Callable[[str], None]) -> AbstractContextManager[None]:
        """Hold nothing: each run of a suite for timing takes a whole node as long as it lasts."""
        return nullcontext()

    def estimate(self, runs: Sequence[PlannedRun], workers: int | None, *, timed: bool, anew: bool) -> Estimate:
        """Return how many runs to train at a time; the speed of the nodes is not measured."""
        nodes = [node for node, _ in self.nodes.values()]
        if self.suite.timing:
            self._kind = choose_kind(self.nodes.values(), kinds_so_far(runs))
            nodes = self._of_kind(self._kind)
            chosen, why = len(nodes), f"each alone on a node of one kind: {self._kind}"
        else:
            asked = workers if workers is not None else self.suite.workers
            chosen = asked if isinstance(asked, int) else max(1, self._capacity(nodes))
            cpus = cpus_each(nodes, chosen, self.suite.processes, self._gpus)
            why = f"on Ray, {len(nodes)} node{'s' if len(nodes) > 1 else ''}, {cpus} CPU{'s' if cpus > 1 else ''} each"
        works, tasks = works_of(runs), tasks_of(runs, self.suite, Machine(()))
        return Estimate(works, tasks, Figures({}), sum(node.cpus for node in nodes), chosen, why)

    def places(self, workers: int) -> list[RayPlace]:
        """Return the places that no job of this backend is using."""
        free = [index for index in range(workers) if index not in self._jobs or not self._jobs[index].running]
        return [RayPlace(index, self._cpus(workers)) for index in free]

    def start(self, run: PlannedRun, place: RayPlace, lock: RunLock) -> RayJob:
        """Hand a run to Ray, which starts it where its CPUs and GPUs are free; it does not outlive this process."""
        alone, gpus = self.suite.timing, 0 if run.spec.device == "cpu" else self._gpus
        smallest = min(node.memory for node, _ in self.nodes.values())
        request = Request(
            run.spec,
            self.launcher,
            self.suite.processes,
            cpus=place.cpus,
            gpus=gpus,
            memory=0 if gpus or alone else min(MEMORY_OF_A_RUN, smallest),
            alone=alone,
            here=self.here,
            checked=frozenset(self.nodes),
        )
        terms = Terms(self.fetch_every, self._choose_node, self._release_node) if alone else Terms(self.fetch_every)
        self._jobs[place.index] = RayJob(self.suite, run, request, terms)
        return self._jobs[place.index]

    @property
    def _gpus(self) -> int:
        """Return the GPUs of one run: one for each process where a node has so many, else none."""
        processes = self.suite.processes
        return processes if any(node.gpus >= processes for node, _ in self.nodes.values()) else 0

    def _capacity(self, nodes: Sequence[Node]) -> int:
        """Return how many runs fit into the cluster with one CPU for each process."""
        return capacity(nodes, self.suite.processes, self._gpus)

    def _cpus(self, workers: int) -> int:
        """Return the CPUs of each run; a run alone on its node has all of that node's."""
        if self.suite.timing:
            return self.suite.processes
        return cpus_each([node for node, _ in self.nodes.values()], workers, self.suite.processes, self._gpus)

    def _of_kind(self, kind: str) -> list[Node]:
        """Return the nodes of a kind."""
        return [node for node, description in self.nodes.values() if description.kind == kind]

    def _choose_node(self) -> Node | None:
        """Return a living node of the suite's kind that no run of it is on, and take it; None while there is none."""
        with self._choosing:
            alive = list_nodes()
            new = [node for node in alive if node.id not in self.nodes]
            self.nodes.update(self._described(new))
            free = [node for node in self._of_kind(self._kind) if node in alive and node.id not in self._taken]
            if not free:
                return None
            self._taken.add(free[0].id)
            return free[0]

    def _release_node(self, node: Node) -> None:
        """Give back a node."""
        with self._choosing:
            self._taken.discard(node.id)


def choose_kind(nodes: Any, before: set[str]) -> str:
    """Return the kind of node that a suite for timing is trained on: as its runs so far, else the most frequent.

    Raises BadInput if its runs were trained on several, or the cluster has none of that kind.
    """
    counts = Counter(description.kind for _, description in nodes)
    there = "; ".join(f"{count} × {kind}" for kind, count in counts.items())
    if len(before) > 1:
        raise BadInput(
            f"timing: true: the suite's runs so far are of several kinds of nodes: {'; '.join(sorted(before))}"
        )
    if before:
        (kind,) = before
        if kind not in counts:
            raise BadInput(f"timing: true: the suite's runs so far were trained on {kind}; the cluster has {there}")
        return kind
    return max(sorted(counts), key=lambda kind: counts[kind])


def kinds_so_far(runs: Sequence[PlannedRun]) -> set[str]:
    """Return the kinds of nodes on which runs have been trained, or begun."""
    records = [run.path / ENVIRONMENT for run in runs if (run.path / ENVIRONMENT).is_file()]
    found: list[Mapping[str, Any]] = [read_json(path) for path in records]
    return {str(content["kind"]) for content in found if "kind" in content}
