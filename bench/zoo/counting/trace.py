"""Recording a forward pass as a graph of ATen operations, with names, layouts and in-place forms left out."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Where a tensor lies and how it is laid out is not part of the computation.
LAYOUT_ARGUMENTS = frozenset({"device", "layout", "pin_memory", "memory_format", "non_blocking", "generator"})
COPIES = frozenset({"aten::clone", "aten::detach", "aten::alias", "aten::lift_fresh", "aten::contiguous"})
RESHAPES = dict.fromkeys(("aten::view", "aten::_unsafe_view", "aten::reshape", "aten::_reshape_alias"), "reshape")
# A slice of the whole is not recorded by every version of torch.
SHAPE_ONLY = frozenset({*RESHAPES, "aten::expand", "aten::_to_copy", "aten::slice"})


@dataclass(frozen=True)
class Edge:
    """A tensor that a node reads: by which argument, and the which-th output of which node."""

    slot: str
    node: int
    output: int


@dataclass
class Graph:
    """Operations in the order in which they ran: each node's label, and the edges into it."""

    labels: list[str] = field(default_factory=list)
    edges: list[list[Edge]] = field(default_factory=list)

    def add(self, label: str, edges: list[Edge]) -> int:
        """Append a node and return its number."""
        self.labels.append(label)
        self.edges.append(edges)
        return len(self.labels) - 1


def digest(*parts: object) -> str:
    """Return the SHA-256 of the parts' representations."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def form(tensor: Tensor) -> tuple[tuple[int, ...], str]:
    """Return a tensor's shape and type, as labels show them."""
    return tuple(tensor.shape), str(tensor.dtype)


def content(tensor: Tensor) -> str:
    """Return the hash of a tensor's values."""
    return digest(form(tensor), tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes())


class Recorder(TorchDispatchMode):
    """Turn the operations that run under it into a graph, following values through views and in-place writes."""

    def __init__(self) -> None:
        super().__init__()
        self.graph = Graph()
        self.value: dict[int, tuple[int, int]] = {}  # id of a tensor → the node and output that it holds
        self.clock: dict[int, int] = {}  # id of a tensor → when its value was last known
        self.writes: dict[int, tuple[int, tuple[int, int]]] = {}  # storage → when and what was last written into it
        self.alive: list[Tensor] = []  # keeps ids and storages from being used again

    def leaf(self, tensor: Tensor, label: str) -> None:
        """Make a tensor known as a node without inputs."""
        self._hold(tensor, (self.graph.add(label, []), 0))

    def read(self, tensor: Tensor) -> tuple[int, int]:
        """Return the node and output that a tensor holds; an unknown tensor is a constant of the program."""
        if id(tensor) not in self.value:
            self.leaf(tensor, f"constant {content(tensor)}")
        written_at, written = self.writes.get(storage_of(tensor), (-1, (0, 0)))
        if written_at > self.clock[id(tensor)]:
            edges = [Edge("before", *self.value[id(tensor)]), Edge("written", *written)]
            geometry = (tensor.storage_offset(), tuple(tensor.shape), tensor.stride())
            self._hold(tensor, (self.graph.add(f"alias {geometry}", edges), 0))
        return self.value[id(tensor)]

    def _hold(self, tensor: Tensor, value: tuple[int, int]) -> None:
        """Set what a tensor holds from now on."""
        self.alive.append(tensor)
        self.value[id(tensor)] = value
        self.clock[id(tensor)] = len(self.graph.labels)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and add it to the graph."""
        arguments = list(named_arguments(func._schema, args, kwargs or {}))
        edges = [Edge(slot, *self.read(value)) for slot, value, _ in arguments if isinstance(value, Tensor)]
        numbers = [(slot, canonical(value)) for slot, value, _ in arguments if not isinstance(value, Tensor)]
        out = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        if changes_nothing(func, arguments, tensors):
            self._hold(tensors[0], (edges[0].node, edges[0].output))
            return out
        label = digest(operation_name(func), numbers, [form(tensor) for tensor in tensors])
        node = self.graph.add(label, edges)
        for number, tensor in enumerate(tensors):
            self._hold(tensor, (node, number))
        for number, tensor in enumerate(value for _, value, written in arguments if written):
            self._hold(tensor, (node, number))
            self.writes[storage_of(tensor)] = (self.clock[id(tensor)], (node, number))
        return out


def storage_of(tensor: Tensor) -> int:
    """Return what identifies the memory that a tensor views."""
    return tensor.untyped_storage()._cdata


def operation_name(func: Any) -> str:
    """Return the operation and overload, the in-place form under the functional one's name."""
    name = func._schema.name
    return f"{RESHAPES.get(name, name).removesuffix('_')}.{func._schema.overload_name}"


def named_arguments(schema: Any, args: Any, kwargs: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yield (slot, value, whether it is written to) of a call, defaults filled in, lists of tensors item by item."""
    for position, argument in enumerate(schema.arguments):
        if argument.name in LAYOUT_ARGUMENTS:
            continue
        given = args[position] if position < len(args) else kwargs.get(argument.name, argument.default_value)
        written = argument.alias_info is not None and argument.alias_info.is_write
        if isinstance(given, list | tuple) and any(isinstance(item, Tensor) for item in given):
            for index, item in enumerate(given):
                yield f"{argument.name}[{index}]", item, written
        else:
            yield argument.name, given, written and isinstance(given, Tensor)


def canonical(value: Any) -> Any:
    """Return a number or list as labels show it: a list as a tuple, an enumeration or type by its text."""
    if isinstance(value, list | tuple):
        return tuple(canonical(item) for item in value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def changes_nothing(func: Any, arguments: list[tuple[str, Any, bool]], outputs: list[Tensor]) -> bool:
    """Return whether an operation gives its input back: a copy, or a reshape or conversion to what it already was."""
    source = arguments[0][1] if arguments else None
    if len(outputs) != 1 or not isinstance(source, Tensor) or any(written for _, _, written in arguments):
        return False
    name = func._schema.name
    return name in COPIES or (name in SHAPE_ONLY and form(source) == form(outputs[0]))
