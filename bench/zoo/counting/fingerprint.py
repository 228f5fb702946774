"""Which models are the same network: a hash of the computation that a model runs, with every name left out.

A forward pass in train mode (so that dropout, DropPath and BatchNorm show their rates) is recorded as a graph of ATen
operations. A node is an operation with its numbers (stride, padding, groups, eps, p, …) and its outputs' shapes and
types; edges are the tensors it reads, by argument. Parameters are leaves known by shape, not by name or value; buffers
that the pass leaves alone are constants, known by value. In-place and functional forms, copies and views that change
nothing count as the same. The batch has two images, more only where the network refuses two. Every node then gets a
colour from all that it depends on and all that depends on it (Weisfeiler and Leman, 1968), and the sorted colours are
hashed, so the order of independent branches is no matter.
"""

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from bench.zoo.counting.cost import on_accepted_batch, plain_operations, scratch_copy
from bench.zoo.counting.reference import IMAGE
from bench.zoo.counting.trace import Edge, Graph, Recorder, content, digest, form

BATCH = 2
SEED = 0
ROUNDS = 2
DIGITS = 16


def record(model: nn.Module, input_shape: tuple[int, ...], batch: int = BATCH) -> Graph:
    """Return the graph of a forward pass of a batch in train mode, with its outputs, buffers and unused parameters."""
    twin = scratch_copy(model).train()
    before = {name: buffer.clone() for name, buffer in twin.named_buffers()}
    recorder = Recorder()
    with plain_operations():
        torch.manual_seed(SEED)
        images = torch.randn(batch, *input_shape)
        twin(images.clone())
        changing = {name for name, buffer in twin.named_buffers() if not torch.equal(buffer, before[name])}
        for name, parameter in twin.named_parameters():
            trained = model.get_parameter(name).requires_grad
            recorder.leaf(parameter, f"parameter {form(parameter)} {trained}")
        for name, buffer in twin.named_buffers():
            kind = "state" if name in changing else f"constant {content(before[name])}"
            recorder.leaf(buffer, f"{kind} {form(buffer)}")
        recorder.leaf(images, f"input {form(images)}")
        torch.manual_seed(SEED)
        with recorder:
            outputs = twin(images)
    for number, output in enumerate(leaf for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor)):
        recorder.graph.add(f"output {number}", [Edge("value", *recorder.read(output))])
    return recorder.graph


def colours(graph: Graph) -> list[str]:
    """Return each node's colour: a hash of its label, of all that it depends on and of all that depends on it."""
    colour = list(graph.labels)
    for _ in range(ROUNDS):
        for node, edges in enumerate(graph.edges):
            colour[node] = digest(colour[node], [(e.slot, e.output, colour[e.node]) for e in edges])
        readers: list[list[tuple[str, int, str]]] = [[] for _ in colour]
        for node in reversed(range(len(colour))):
            colour[node] = digest(colour[node], sorted(readers[node]))
            for edge in graph.edges[node]:
                readers[edge.node].append((edge.slot, edge.output, colour[node]))
    return colour


def fingerprint(model: nn.Module, input_shape: tuple[int, ...] = IMAGE) -> str:
    """Return 16 hexadecimal digits that two models share when they build the same computation, names aside.

    `input_shape` is (C, H, W). The same for every process and for untrained and trained weights; the model and the
    random state are not changed. It may change with the version of torch, like the operations that it hashes.
    """

    def run(batch: int) -> Graph:
        """Record a pass of a batch."""
        return record(model, input_shape, batch)

    return digest(*sorted(colours(on_accepted_batch(run, first=BATCH))))[:DIGITS]
