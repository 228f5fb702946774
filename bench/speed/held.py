"""What a process holds of parameters, gradients and optimizer state in training, counted from its tensors.

A storage counts once, whatever views there are of it, in the first part that has it: of the three in this order. Names
within a ZeRO optimizer are DeepSpeed's own (0.19).
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from composer.core import Callback, State
from composer.loggers import Logger
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from bench.engines.snapshot import unwrap_model
from bench.speed.alternation import Measured

# The step, from 0, in which tensors are counted: the optimizer has its state, and nothing is allocated anew.
COUNTED = 2
GRADIENTS = ("averaged_gradients", "all_grad_tensors", "grad_partitions_flat_buffer", "previous_reduced_grads")
MASTERS = ("single_partition_of_fp32_groups", "fp32_partitioned_groups_flat")
Bytes = dict[str, int]


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested containers."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from tensors_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)


def new_bytes(tensors: Iterable[Tensor], seen: set[int]) -> int:
    """Return the bytes of the storages that have not been seen, and note them as seen."""
    total = 0
    for tensor in tensors:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            total += storage.nbytes()
    return total


def held(state: State) -> Bytes:
    """Return the bytes of this process's parameters, optimizer state and gradients at this moment.

    With the optimizer's state counts the copy of parameters that it updates, where it has one; with gradients the
    buckets in which they are summed over the processes.
    """
    parameters = list(unwrap_model(state.model).parameters())
    optimizer: Any = state.optimizers[0]
    engine = getattr(optimizer, "engine", None)
    zero = engine.optimizer if engine is not None and engine.zero_optimization_stage() else None
    inner = zero.optimizer if zero is not None else getattr(optimizer, "optimizer", optimizer)
    masters = [getattr(zero, name, ()) for name in MASTERS]
    seen = {0}
    return {
        "parameters": new_bytes(
            [*parameters, *tensors_in([getattr(one, "ds_tensor", None) for one in parameters])], seen
        ),
        "optimizer": new_bytes(tensors_in([list(inner.state.values()), masters]), seen),
        "gradients": new_bytes(tensors_in(gradients(parameters, zero)), seen) + bucket_bytes(state.model),
    }


def gradients(parameters: Iterable[Any], zero: Any) -> list[Any]:
    """Return what holds gradients: parameters, the ZeRO optimizer if there is one, and its buckets."""
    own = [(one.grad, getattr(one, "grad_accum", None)) for one in parameters]
    buckets = [(one.buffer, getattr(one, "grads", None)) for one in getattr(zero, "ipg_buckets", {}).values()]
    masters = [one.grad for one in tensors_in([getattr(zero, name, ()) for name in MASTERS])]
    return [*own, *buckets, *masters, *(getattr(zero, name, None) for name in GRADIENTS)]


def bucket_bytes(model: torch.nn.Module) -> int:
    """Return the bytes of DistributedDataParallel's buckets, which are beside the gradients; 0 without it."""
    if not isinstance(model, DistributedDataParallel) or model.gradient_as_bucket_view:
        return 0
    facts = model._get_ddp_logging_data()
    sizes = facts.get("rebuilt_bucket_sizes") or facts["bucket_sizes"]
    return sum(int(size) for size in str(sizes).split(","))


class HeldMemory(Callback):
    """Count what this process holds in one step, time the steps after it, and end the run.

    `most` has the most bytes of each part at any time in the step: whenever a parameter got its gradient, and at the
    step's end, whose bytes are `between`. `seconds` are those of each of `steps` further steps.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.most: Bytes = {}
        self.between: Bytes = {}
        self.seconds: list[float] = []
        self._hooks: list[Any] = []
        self._taken = 0
        self._ended = 0.0

    def batch_start(self, state: State, logger: Logger) -> None:
        """Watch the gradients of the step in which tensors are counted."""

        def look(_: Tensor) -> None:
            """Count now; torch takes nothing back from a hook."""
            self._count(state)

        if self._taken == COUNTED:
            self._hooks = [
                one.register_post_accumulate_grad_hook(look)
                for one in unwrap_model(state.model).parameters()
                if one.requires_grad
            ]

    def after_backward(self, state: State, logger: Logger) -> None:
        """Count what is left of the gradients for the update."""
        if self._taken == COUNTED:
            self._count(state)

    def batch_end(self, state: State, logger: Logger) -> None:
        """Note the end of the step; at the last one end the run."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        if self._taken == COUNTED:
            for hook in self._hooks:
                hook.remove()
            self.between = self._count(state)
        # The step after the counted one warms up again.
        if self._taken > COUNTED + 1:
            self.seconds.append(now - self._ended)
        self._ended = now
        self._taken += 1
        if len(self.seconds) == self.steps:
            raise Measured

    def _count(self, state: State) -> Bytes:
        """Count now, and return it."""
        now = held(state)
        self.most = {name: max(self.most.get(name, 0), count) for name, count in now.items()}
        return now
