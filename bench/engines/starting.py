"""Start a network from trained weights: all of them, or all but a head for other classes, never a part in silence.

The head is what has another shape for another number of classes, whatever a network calls it.
"""

from collections.abc import Callable, Iterable, Mapping

import safetensors.torch
import torch
from torch import Tensor, nn

from bench.data.datasets import Dataset
from bench.pretrained import WeightsFile, read_declared
from bench.spec import ModelSection, RunSpec
from bench.util.errors import BadInput, first_line
from bench.zoo.build import build_model

KEY = "model.weights"
# Algorithms that put weights of their own in the place of those that a run starts from, before its first step.
REPLACING = ("dirac_initialisation", "whitening_stem")
LISTED = 8
Shapes = Mapping[str, tuple[int, ...]]


def read_tensors(file: WeightsFile) -> dict[str, Tensor]:
    """Return the tensors of a file; raise BadInput for one that is damaged."""
    try:
        return safetensors.torch.load(file.data)
    except Exception as error:  # whatever a damaged file sets off in the parser, which runs no code
        raise BadInput(f"{file.path}: cannot be read as safetensors: {first_line(error)}") from None


def shapes_of(weights: Mapping[str, Tensor]) -> Shapes:
    """Return the shape of each weight."""
    return {name: tuple(value.shape) for name, value in weights.items()}


def head_names(model: ModelSection, dataset: Dataset) -> frozenset[str]:
    """Return the names of a network's weights that have another shape for one class more."""
    classes = len(dataset.classes)
    with torch.random.fork_rng(devices=[]):
        one, other = (
            shapes_of(build_model(model.name, n, dataset.image, stem=model.stem, options=model.options).state_dict())
            for n in (classes, classes + 1)
        )
    return frozenset(name for name in one if one[name] != other.get(name))


def misfits(mine: Shapes, theirs: Shapes, head: Iterable[str]) -> list[str]:
    """Return in words what keeps weights from being a network's, apart from the shapes of its head."""
    missing, unexpected = sorted(set(mine) - set(theirs)), sorted(set(theirs) - set(mine))
    reshaped = [name for name in mine if name in theirs and mine[name] != theirs[name] and name not in set(head)]
    shapes = [f"{name} ({shape_text(theirs[name])}, the network has {shape_text(mine[name])})" for name in reshaped]
    parts = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    return [f"{len(names)} {what}: {listed(names)}" for what, names in parts.items() if names]


def shape_text(shape: tuple[int, ...]) -> str:
    """Return a shape in words."""
    return "×".join(map(str, shape)) or "a number"


def listed(names: list[str]) -> str:
    """Return the first of some names, and how many there are."""
    return ", ".join(names[:LISTED]) + (f", … ({len(names)} in all)" if len(names) > LISTED else "")


def start_from(
    network: nn.Module, weights: Mapping[str, Tensor], head: frozenset[str], label: str, report: Callable[[str], None]
) -> None:
    """Give a network trained weights, in place, and report it; a head of other classes keeps its own.

    Raises BadInput that lists what is missing, unexpected or of another shape.
    """
    mine, theirs = shapes_of(network.state_dict()), shapes_of(weights)
    wrong = misfits(mine, theirs, head)
    if wrong:
        raise BadInput(f"key '{KEY}': {label} does not fit the network: {'; '.join(wrong)}")
    replaced = any(mine[name] != theirs[name] for name in head)
    taken = {name: value for name, value in weights.items() if not (replaced and name in head)}
    network.load_state_dict(taken, strict=False)
    said = f"starting from {label}: {len(taken)} of {len(mine)} weights and statistics"
    report(f"{said}; the head is new, for other classes ({listed(sorted(head))})" if replaced else said)


def start(spec: RunSpec, dataset: Dataset, network: nn.Module, report: Callable[[str], None]) -> None:
    """Give a run's network the weights that its resolved spec starts from, if it does.

    Raises BadInput for weights that do not fit, and for algorithms that would replace them.
    """
    if spec.model.weights is None:
        return
    for name in REPLACING:
        if name in spec.algorithms:
            raise BadInput(
                f"key 'algorithms.{name}': it would replace weights that the run starts from ({KEY}); take it out "
                f"with algorithms.{name}=null"
            )
    try:
        file = read_declared(spec.model.weights.model_dump())
    except BadInput as error:
        raise BadInput(f"key '{KEY}': {error}") from None
    start_from(network, read_tensors(file), head_names(spec.model, dataset), str(file.path), report)
