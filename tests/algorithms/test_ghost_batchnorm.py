"""Ghost batch normalization against Composer's in training; in evaluation a sample's output is its own."""

import pytest
import torch
from composer.algorithms.ghost_batchnorm import apply_ghost_batchnorm
from torch import nn

from algorithms.ghost_batchnorm import GhostBatchNormLayer, use_ghost_batches
from bench.algorithm_settings import check_process_batch, validate_algorithms
from bench.util.errors import BadInput


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.BatchNorm2d(4))


@pytest.mark.parametrize(("samples", "ghost"), [(8, 8), (8, 4), (9, 4), (20, 6), (7, 1)])
def test_training_is_bit_equal_to_composers(samples: int, ghost: int) -> None:
    ours, theirs = network(), network()
    assert use_ghost_batches(ours, ghost) == 2
    apply_ghost_batchnorm(theirs, ghost)
    for _ in range(3):
        images = torch.randn(samples, 3, 8, 8)
        outputs = [model(images) for model in (ours, theirs)]
        assert torch.equal(*outputs)
        for output in outputs:
            output.square().sum().backward()
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in ours.state_dict().items())
    gradients = [[p.grad for p in model.parameters() if p.grad is not None] for model in (ours, theirs)]
    assert len(gradients[0]) == 8
    assert all(map(torch.equal, *gradients))


@pytest.mark.parametrize("samples", [1, 3, 8, 13])
def test_evaluation_uses_the_running_statistics_at_any_batch_size(samples: int) -> None:
    model, plain = network(), network()
    use_ghost_batches(model, 8)
    model(torch.randn(16, 3, 8, 8))
    plain.load_state_dict({name.replace(".batchnorm", ""): value for name, value in model.state_dict().items()})
    images = torch.randn(samples, 3, 8, 8)
    assert torch.equal(model.eval()(images), plain.eval()(images))


def test_a_batch_smaller_than_a_ghost_batch_is_refused_in_training() -> None:
    layer = GhostBatchNormLayer(nn.BatchNorm2d(3), 8)
    with pytest.raises(ValueError, match="batch of 7 is smaller than the ghost batch of 8"):
        layer(torch.randn(7, 3, 4, 4))
    assert layer.batchnorm.momentum == 0.1


def test_parameters_stay_in_the_optimizer() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = list(model.parameters())
    use_ghost_batches(model, 2, optimizer)
    after = optimizer.param_groups[0]["params"]
    assert len(after) == len(before)
    assert {id(parameter) for parameter in after} == {id(parameter) for parameter in before}


def test_cumulative_statistics_are_kept() -> None:
    """A momentum of None averages all batches alike, which needs no scaling."""
    layer = GhostBatchNormLayer(nn.BatchNorm2d(3, momentum=None), 2)
    images = torch.randn(6, 3, 4, 4)
    layer(images)
    means = torch.stack([part.mean((0, 2, 3)) for part in images.chunk(3)])
    torch.testing.assert_close(layer.batchnorm.running_mean, means.mean(0))


def test_a_ghost_batch_larger_than_a_process_batch_is_refused_before_training() -> None:
    chosen = validate_algorithms({"ghost_batchnorm": {"ghost_batch_size": 32}, "mixup": {}})
    check_process_batch(chosen, 32)
    with pytest.raises(BadInput, match=r"ghost_batchnorm\.ghost_batch_size': 32 is more than the 16 images"):
        check_process_batch(chosen, 16)
