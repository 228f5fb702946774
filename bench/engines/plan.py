"""What a run is about to do, printed as soon as it is known: importing torch and Composer takes seconds."""

import sys
from pathlib import Path

from bench.budget import Sizes, data_sizes
from bench.engines.precision import Decision, find_device
from bench.engines.progress import RunLength, run_length
from bench.engines.registry import without_effect
from bench.environment import cpu_model, threads_a_process
from bench.spec import RunSpec
from bench.util.ranks import local_rank, local_world_size, node_rank, rank, spans_nodes, world_size


def print_plan(spec: RunSpec, path: Path) -> None:
    """Print, on rank 0, what is known of a run before torch is imported, and which of its keys have no effect.

    Other nodes print that node 0 does.
    """
    if rank() == 0:
        for warning in without_effect(spec):
            print(warning, file=sys.stderr, flush=True)
        print(*plan_lines(spec, data_sizes(spec), path), sep="\n", flush=True)
    elif spans_nodes() and local_rank() == 0:
        print(node_line(node_rank(), rank(), local_world_size(), world_size(), path), flush=True)


def print_machine(spec: RunSpec, decision: Decision) -> None:
    """Print, on rank 0, how a run is computed on this machine."""
    import torch

    if rank() == 0:
        threads = spec.threads or threads_a_process(local_world_size())
        gpu = torch.cuda.get_device_name() if find_device(spec.device) == "gpu" else None
        print(machine_line(decision, world_size(), threads, gpu), flush=True)


def node_line(node: int, first: int, here: int, processes: int, path: Path) -> str:
    """Return what a node other than the first says of its part in a run, which is recorded at a path on node 0."""
    numbers = f"process {first}" if here == 1 else f"processes {first} to {first + here - 1}"
    return f"node {node}: {numbers} of {processes}; node 0 shows the progress and records the run in {path}"


def length_words(length: RunLength) -> str:
    """Return how long a run lasts."""
    if length.steps is None:
        return f"{length.seconds:,} seconds of training, {length.batch_size:,} images per step"
    return f"{length.steps:,} steps x {length.batch_size:,} images ({length.steps / length.epoch_steps:.3g} epochs)"


def plan_lines(spec: RunSpec, sizes: Sizes, path: Path) -> list[str]:
    """Return what is known from the spec and the data's sizes alone: the network, its data, how long, where to."""
    length = run_length(spec, sizes.train, sizes.evaluation)
    split = "" if spec.data.split == "test" else f" (split {spec.data.split})"
    return [
        f"{spec.model.name} on {spec.data.name}{split}, seed {spec.seed}: {length_words(length)}",
        f"evaluated on {sizes.evaluation:,} images every {spec.eval_interval} and at the end; recorded in {path}",
    ]


def machine_line(decision: Decision, processes: int, threads: int, gpu: str | None = None) -> str:
    """Return how it is computed: precision and why, processes and threads, and on which device."""
    where = f"processes: {processes}, {gpu}" if gpu else f"processes x threads: {processes} x {threads}, {cpu_model()}"
    return f"precision {decision.precision} ({decision.reason}); {where}"
