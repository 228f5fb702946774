"""The whitening stem whitens; what cannot be whitened is refused."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from algorithms.dirac import dirac_initialise
from algorithms.whitening import whiten_stem, whitening_filters

IMAGES = F.avg_pool2d(torch.randn(400, 3, 34, 34, generator=torch.Generator().manual_seed(0)), 3, 1)


def test_outputs_have_unit_variance_and_no_correlation() -> None:
    filters = whitening_filters(IMAGES, (2, 2), 24, 0.0)
    assert torch.equal(filters[:12], -filters[12:])
    outputs = F.conv2d(IMAGES.double(), filters[:12]).transpose(0, 1).flatten(1)
    np.testing.assert_allclose(np.cov(outputs.numpy()), np.eye(12), atol=1e-6)


def test_fewer_outputs_take_the_leading_directions() -> None:
    every, few = whitening_filters(IMAGES, (3, 3), 54, 5e-4), whitening_filters(IMAGES, (3, 3), 16, 5e-4)
    assert torch.equal(few[:8], every[:8])


@pytest.mark.parametrize("outputs", [23, 26])
def test_a_number_of_outputs_that_cannot_be_is_refused(outputs: int) -> None:
    with pytest.raises(ValueError, match=f"an even number of at most 24 outputs.* has {outputs}"):
        whiten_stem(nn.Conv2d(3, outputs, 2), IMAGES)


@pytest.mark.parametrize("freeze", [True, False])
def test_the_first_convolution_is_set_and_frozen_if_asked(freeze: bool) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3))
    second = model[1].weight.detach().clone()
    whiten_stem(model, IMAGES, freeze=freeze)
    assert model[0].weight.requires_grad is not freeze
    assert model[0].bias is not None
    assert not model[0].bias.any()
    torch.testing.assert_close(model[0].weight.detach(), whitening_filters(IMAGES, (3, 3), 8, 5e-4).float())
    assert torch.equal(model[1].weight, second)


@pytest.mark.parametrize("model", [nn.Sequential(nn.Linear(3, 2)), nn.Sequential(nn.Conv2d(1, 8, 3))], ids=str)
def test_a_network_without_such_a_stem_is_refused(model: nn.Module) -> None:
    with pytest.raises(ValueError, match="a whitening stem needs"):
        whiten_stem(model, IMAGES)


def test_dirac_makes_convolutions_behind_the_stem_pass_their_input_through() -> None:
    wide, narrow, depthwise = nn.Conv2d(4, 6, 3), nn.Conv2d(6, 5, 3), nn.Conv2d(5, 5, 3, groups=5)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), wide, narrow, depthwise)
    stem, others, grouped = model[0].weight.detach().clone(), wide.weight[4:].detach().clone(), depthwise.weight.clone()
    assert dirac_initialise(model) == 2
    images = torch.randn(2, 4, 8, 8)
    centre = images[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(F.conv2d(images, wide.weight)[:, :4], centre)
    torch.testing.assert_close(
        F.conv2d(F.pad(centre, (1,) * 4), narrow.weight[:, :4])[:, :4], centre, msg="the first five of six pass"
    )
    assert torch.equal(model[0].weight, stem)
    assert torch.equal(wide.weight[4:], others)
    assert torch.equal(depthwise.weight, grouped)


def test_dirac_without_convolutions_is_refused() -> None:
    with pytest.raises(ValueError, match="this network has none"):
        dirac_initialise(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 4)))
