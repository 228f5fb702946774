"""The state of an optimizer that ZeRO has partitioned, as a single process has it, and back.

ZeRO lays the parameters of a group one behind the other, cuts that row into as many partitions as there are processes,
and lets each process's optimizer update its own partition, a flat tensor of float32. All of torch's optimizers that are
partitioned here compute element by element, so a parameter's state is in the partitions where the parameter is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from composer.utils import dist
from torch import Tensor, nn

Parameters = Sequence[nn.Parameter]


@dataclass(frozen=True)
class Part:
    """The part of a parameter that this process updates: where it is in the parameter, and in the flat tensor.

    The part is empty where other processes update all of the parameter; `shape` is the parameter's.
    """

    flat: Tensor
    in_flat: int
    in_parameter: int
    length: int
    shape: torch.Size

    def of(self, state: Tensor) -> Tensor:
        """Return the part in a state of the flat tensor's shape, as a view."""
        return state.narrow(0, self.in_flat, self.length)


def find_part(zero: Any, parameter: Any) -> Part:
    """Return this process's part of a parameter under a ZeRO optimizer of stage 1, 2 or 3."""
    if hasattr(parameter, "ds_id"):
        group, in_flat, length = zero.grad_position[zero.get_param_id(parameter)]
        begin = length * dist.get_global_rank()
        inside = max(0, min(length, parameter.ds_numel - begin))
        return Part(zero.fp32_partitioned_groups_flat[group], in_flat, begin, inside, parameter.ds_shape)
    groups = zero.bit16_groups
    group = next(index for index, members in enumerate(groups) if any(member is parameter for member in members))
    flat, fragment = zero.single_partition_of_fp32_groups[group], parameter._hp_mapping
    if fragment is None:
        return Part(flat, 0, 0, 0, parameter.shape)
    inner, outer = fragment.hp_fragment_address, fragment.lp_fragment_address
    return Part(flat, inner.start, outer.start, inner.numel, parameter.shape)


def gather(part: Part, state: Tensor, device: torch.device) -> Tensor:
    """Return the whole of a parameter's state from all processes' parts, bit by bit; every rank must call it."""
    whole = torch.zeros(part.shape.numel(), dtype=state.dtype, device=device)
    whole.narrow(0, part.in_parameter if part.length else 0, part.length).copy_(part.of(state))
    # A sum of whole numbers of which all but one are 0; as floating-point numbers -0.0 would become 0.0.
    dist.all_reduce(whole.view(torch.int32), reduce_operation="SUM")
    return whole.view(part.shape)


def full_state(zero: Any, parameters: Parameters) -> dict[int, dict[str, Any]]:
    """Return each parameter's state by its number, as `Optimizer.state_dict` has it; every rank must call it."""
    found: dict[int, dict[str, Any]] = {}
    for number, parameter in enumerate(parameters):
        part = find_part(zero, parameter)
        for name, value in zero.optimizer.state.get(part.flat, {}).items():
            elementwise = isinstance(value, Tensor) and value.shape == part.flat.shape
            found.setdefault(number, {})[name] = gather(part, value, parameter.device) if elementwise else value
    return found


def load_full_state(zero: Any, parameters: Parameters, saved: dict[int, dict[str, Any]]) -> None:
    """Give this process's partitions their parts of what `full_state` returned."""
    for number, state in saved.items():
        part = find_part(zero, parameters[number])
        target = zero.optimizer.state[part.flat]
        for name, value in state.items():
            if not isinstance(value, Tensor) or value.shape != part.shape:
                target[name] = value
                continue
            flat = target.setdefault(name, torch.zeros_like(part.flat))
            part.of(flat).copy_(value.flatten().narrow(0, part.in_parameter if part.length else 0, part.length))
