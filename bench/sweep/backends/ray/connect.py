"""Connect to a Ray cluster, or start Ray on this machine; list its nodes and ask them what they are."""

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.spec import RunSpec
from bench.sweep.backends.machine import MEMORY_OF_A_RUN, find_machine
from bench.sweep.backends.ray.nodes import Description, describe_node, lacks_data, node_name
from bench.util.errors import BadInput, first_line
from bench.util.extras import RAY, RAY_CLIENT, require

# Of the Ray that is started here, in bytes: nothing but pieces of archives goes through it.
OBJECT_STORE = 100 * 2**20
SECONDS_TO_DESCRIBE = 120.0


@dataclass(frozen=True)
class Node:
    """A node as Ray lists it: its id, its name as shown to the user, and what it has for runs; memory in bytes."""

    id: str
    name: str
    cpus: int
    gpus: int
    memory: int = 2**40


def check_installed(address: str | None) -> None:
    """Raise BadInput with the command that installs what is missing."""
    require("ray", RAY, "--backend ray")
    if address and address.startswith("ray://"):
        require("grpc", RAY_CLIENT, f"--address {address}")


def connect(address: str | None) -> None:
    """Connect this process to a cluster (its address, or auto), or without one start Ray on this machine.

    Raises BadInput if that cannot be done. Ray's telemetry is off, and what it logs is left in its own folder.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    address = address or os.environ.get("RAY_ADDRESS")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "ignore_reinit_error": True}
    # Ray takes SIGTERM for itself.
    before = signal.getsignal(signal.SIGTERM)
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init(address="local", **quiet, **resources_here())
    except (OSError, RuntimeError, ValueError) as error:
        raise BadInput(f"--address {address or '(none)'}: {first_line(error)[:300]}") from None
    finally:
        signal.signal(signal.SIGTERM, before)


def resources_here() -> dict[str, Any]:
    """Return what the Ray that is started on this machine may use of it."""
    machine = find_machine()
    resources = {"num_cpus": len(machine.cores), "num_gpus": len(machine.gpus)}
    return {**resources, "object_store_memory": OBJECT_STORE, "include_dashboard": False}


def list_nodes() -> list[Node]:
    """Return the nodes of the cluster that are alive and have a CPU for runs."""
    import ray

    nodes = [as_node(content) for content in ray.nodes() if content["Alive"]]
    return [node for node in nodes if node.cpus >= 1]


def as_node(content: Mapping[str, Any]) -> Node:
    """Return a node as Ray lists it."""
    found, identity = content["Resources"], str(content["NodeID"])
    name = node_name(content["NodeManagerAddress"], identity)
    return Node(identity, name, int(found.get("CPU", 0)), int(found.get("GPU", 0)), int(found.get("memory", 2**40)))


def describe_nodes(nodes: Sequence[Node]) -> dict[str, Description]:
    """Return what nodes are, by id; raise BadInput naming one that does not answer or lacks this suite."""
    return dict(zip([node.id for node in nodes], ask_nodes(nodes, describe_node), strict=True))


def nodes_without_data(nodes: Sequence[Node], spec: RunSpec) -> list[str]:
    """Return why each node on which a run's data set cannot be had lacks it; it is drawn or downloaded there."""
    answers = ask_nodes(nodes, lacks_data, spec, seconds=None)
    return [f"{node.name}: {reason}" for node, reason in zip(nodes, answers, strict=True) if reason]


def ask_nodes(
    nodes: Sequence[Node], question: Any, *given: Any, seconds: float | None = SECONDS_TO_DESCRIBE
) -> list[Any]:
    """Return what a function returns on each of the nodes; raise BadInput naming one on which it cannot run."""
    import ray

    task = ray.remote(question)
    asked = [task.options(num_cpus=0, scheduling_strategy=only_on(node.id)).remote(*given) for node in nodes]
    answers = []
    for node, reference in zip(nodes, asked, strict=True):
        try:
            answers.append(ray.get(reference, timeout=seconds))
        except ray.exceptions.RayError as error:
            raise BadInput(f"{node.name} cannot run this suite: {first_line(error)[-300:]}") from None
    return answers


def only_on(identity: str) -> Any:
    """Return the scheduling strategy for what is to run on one node alone."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(identity, soft=False)


def capacity(nodes: Sequence[Node], cpus: int, gpus: int) -> int:
    """Return how many runs that each need some CPUs and GPUs fit on nodes at a time.

    Without GPUs a run also needs memory; every node that has the CPUs takes at least one.
    """
    total = 0
    for node in nodes:
        by_memory = max(1, node.memory // MEMORY_OF_A_RUN)
        fit = node.gpus // gpus if gpus else by_memory
        total += min(node.cpus // cpus, fit)
    return total


def cpus_each(nodes: Sequence[Node], workers: int, processes: int, gpus: int) -> int:
    """Return the most CPUs that each of `workers` runs at a time can have, at least one for each process.

    A run on GPUs has one for each process, and the cores that go with its GPUs. Raises BadInput if there are too few.
    """
    if gpus or capacity(nodes, processes, gpus) < workers:
        most = capacity(nodes, processes, gpus)
        if most < workers:
            kind = "GPUs" if gpus else "CPUs"
            raise BadInput(
                f"key 'workers': {workers} runs of {processes} processes need more {kind} than the cluster has: "
                f"{most} fit on {len(nodes)} nodes"
            )
        return processes
    largest = max(node.cpus for node in nodes)
    return max(cpus for cpus in range(processes, largest + 1) if capacity(nodes, cpus, gpus) >= workers)
