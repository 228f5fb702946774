"""Where a process trains: its device, its part of the batch, its threads and its precision."""

from dataclasses import dataclass
from typing import Any

import torch
from composer.utils import dist

from bench.data.loader import Shard
from bench.engines.precision import find_device
from bench.environment import threads_a_process
from bench.spec import RunSpec
from bench.util.ranks import node_rank, spans_nodes


@dataclass(frozen=True)
class Machine:
    """Where this process trains, and in which precision."""

    device: str
    shard: Shard
    threads: int
    precision: str

    @property
    def torch_device(self) -> torch.device:
        """Return the device as torch names it."""
        return torch.device("cuda", torch.cuda.current_device()) if self.device == "gpu" else torch.device("cpu")


def find_machine(spec: RunSpec, precision: str) -> Machine:
    """Return device, rank, threads and precision of this process; set the threads, which the launcher leaves unset."""
    device = find_device(spec.device)
    if device == "gpu":
        torch.cuda.set_device(dist.get_local_rank())
        # cuDNN's default float32 kernels add up in changing order: the same run twice would end with other bits.
        torch.backends.cudnn.deterministic = True
    threads = spec.threads or threads_a_process(dist.get_local_world_size())
    torch.set_num_threads(threads)
    return Machine(device, Shard(dist.get_global_rank(), dist.get_world_size()), threads, precision)


def describe_machine(machine: Machine, environment: dict[str, Any]) -> dict[str, Any]:
    """Return the machine as the result tells it, on several nodes that of node 0; every rank must call it."""
    nodes = len(set(dist.all_gather_object(node_rank()))) if spans_nodes() else 1
    name = torch.cuda.get_device_name() if machine.device == "gpu" else environment["cpu"]
    return {
        "device": machine.device,
        "device_name": name,
        "cpu": environment["cpu"],
        "cores": environment["cores"],
        "host_cores": environment["host_cores"],
        "world_size": machine.shard.world_size,
        **({"nodes": nodes} if nodes > 1 else {}),
        "threads": machine.threads,
        "precision": machine.precision,
        "packages": environment["packages"],
        "commit": environment["git"]["commit"],
    }
