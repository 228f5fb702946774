"""What every model of the zoo must pass: plain functions of a subject, so that a new model needs no new test."""

import copy
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.zoo.build import build_model
from bench.zoo.counting.cost import Cost, count_cost
from bench.zoo.counting.fingerprint import fingerprint
from bench.zoo.counting.golden import Golden
from bench.zoo.models import Model

CLASSES = 100
LARGEST_BATCH = 7
SETTLING_BATCH = 32
# Relative L2 distance of the logits. Float32 in another layout differs by rounding, bfloat16 keeps 8 bits of mantissa.
CHANNELS_LAST_TOLERANCE = 1e-4
AUTOCAST_TOLERANCE = 0.2


@dataclass(frozen=True)
class Subject:
    """A model under test: its name and registry row, a built module, its golden figures, and a batch of images."""

    name: str
    row: Model
    model: nn.Module
    golden: Mapping[str, Golden]
    images: Tensor


def build(name: str, num_classes: int = CLASSES, seed: int = 0) -> nn.Module:
    """Return a model whose initial weights are those of the seed."""
    torch.manual_seed(seed)
    return build_model(name, num_classes)


def make_subject(name: str, row: Model, golden: Mapping[str, Golden]) -> Subject:
    """Build a model and set its BatchNorms' running statistics to those of a batch, as training would."""
    model = build(name)
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None
    if norms:
        with torch.no_grad():
            model.train()(torch.randn(SETTLING_BATCH, 3, 32, 32))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return Subject(name, row, model, golden, torch.randn(LARGEST_BATCH, 3, 32, 32))


def answer(model: nn.Module, images: Tensor) -> Tensor:
    """Return the logits in eval mode."""
    with torch.no_grad():
        return model.eval()(images)


def in_layout(model: nn.Module, layout: torch.memory_format) -> nn.Module:
    """Return the model with its weights in a memory format."""
    return model.to(memory_format=layout)  # type: ignore[call-overload]


def distance(found: Tensor, wanted: Tensor) -> float:
    """Return the relative L2 distance of two sets of logits."""
    return float((found.float() - wanted).norm() / wanted.norm())


def check_shapes(subject: Subject) -> None:
    for classes, model in ((CLASSES, subject.model), (10, build(subject.name, 10))):
        logits = answer(model, subject.images[:3])
        assert logits.shape == (3, classes)
        assert logits.dtype == torch.float32
        assert logits.isfinite().all()


def check_odd_batches(subject: Subject) -> None:
    """An image's logits in eval mode do not depend on how many others are in the batch."""
    whole = answer(subject.model, subject.images)
    for size in (1, 3):
        assert distance(answer(subject.model, subject.images[:size]), whole[:size]) < CHANNELS_LAST_TOLERANCE


def check_training(subject: Subject) -> None:
    """Two steps at odd batch sizes: finite loss, every parameter gets a finite gradient, and one that is not all zero.

    Two, because what a zero-initialised scale multiplies has a zero gradient until the scale has moved.
    """
    model = copy.deepcopy(subject.model).train()
    moved = set()
    for size in (LARGEST_BATCH, 3):
        model.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(model(subject.images[:size]), torch.arange(size))
        assert loss.isfinite()
        loss.backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            if parameter.grad.any():
                moved.add(name)
        torch.optim.SGD(model.parameters(), lr=0.01).step()
    still = {name for name, _ in model.named_parameters()} - moved
    still = {name for name in still if not re.fullmatch(subject.row.still, name)}
    assert not still, f"never had a gradient other than zero: {sorted(still)}"


def check_state_dict(subject: Subject) -> None:
    """Saved, loaded without unpickling code into a model with other weights, it gives the same answer to the bit."""
    file = io.BytesIO()
    torch.save(subject.model.state_dict(), file)
    file.seek(0)
    other = build(subject.name, seed=1)
    before = answer(other, subject.images[:3])
    other.load_state_dict(torch.load(file, weights_only=True), strict=True)
    wanted = answer(subject.model, subject.images[:3])
    assert torch.equal(answer(other, subject.images[:3]), wanted)
    assert not torch.equal(before, wanted)


def check_channels_last(subject: Subject) -> None:
    wanted = answer(subject.model, subject.images)
    model = in_layout(subject.model, torch.channels_last)
    found = answer(model, subject.images.contiguous(memory_format=torch.channels_last))
    in_layout(model, torch.contiguous_format)
    assert distance(found, wanted) < CHANNELS_LAST_TOLERANCE


def check_autocast(subject: Subject) -> None:
    wanted = answer(subject.model, subject.images)
    with torch.autocast("cpu", torch.bfloat16):
        found = answer(subject.model, subject.images)
    assert found.isfinite().all()
    assert 0.0 < distance(found, wanted) < AUTOCAST_TOLERANCE


def check_golden(subject: Subject) -> None:
    """What is counted and fingerprinted now is what the golden file says, and the counters agree."""
    cost = count_cost(subject.model)
    assert_stated(subject.row, cost)
    counted = Golden(cost.params, cost.macs, cost.ptflops_macs, cost.activations, fingerprint(subject.model))
    assert counted == subject.golden[subject.name]
    assert cost.disagreement <= 0.02


def assert_stated(row: Model, cost: Cost) -> None:
    """What is counted is what the row states: parameters exactly, MACs within 0.5 %."""
    if row.stated.params is not None:
        assert cost.params == row.stated.params
    if row.stated.mmacs is not None:
        assert abs(cost.macs / (row.stated.mmacs * 1e6) - 1) < 0.005


CHECKS: dict[str, Callable[[Subject], None]] = {
    "shapes": check_shapes,
    "odd_batches": check_odd_batches,
    "training": check_training,
    "state_dict": check_state_dict,
    "channels_last": check_channels_last,
    "autocast": check_autocast,
    "golden": check_golden,
}
