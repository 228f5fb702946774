"""Models for images of another size: built and counted for it, or refused with a size that works."""

import pytest
import timm
import torch
from torch import nn

from bench.data.prepare import Image
from bench.util.errors import BadInput
from bench.zoo.build import build_model
from bench.zoo.counting.cost import count_cost
from bench.zoo.counting.fingerprint import fingerprint
from bench.zoo.models import MODELS
from bench.zoo.sizes import build_for, near, size_text, try_image
from tests.refusals import refused

LARGE, WIDE = (3, 64, 64), (3, 32, 48)
# One row of each builder: the others differ in depth and width alone.
BUILDERS = {str(row.builder) + str(row.options.get("timm_name")): name for name, row in MODELS.items()}


@pytest.mark.parametrize("image", [LARGE, WIDE], ids=size_text)
@pytest.mark.parametrize("name", BUILDERS.values())
def test_every_family_is_built_and_counted_for_other_sizes(name: str, image: Image) -> None:
    if (name, image) == ("coatnet_0_rw", WIDE):  # timm's relative positions want whole windows
        with pytest.raises(BadInput, match=r"cannot take 32×48 images: .* It takes images of 32×32"):
            build_model(name, 10, image)
        return
    model = build_model(name, 10, image)
    assert model(torch.randn(2, *image)).shape == (2, 10)
    assert count_cost(model, image).macs > count_cost(build_model(name, 10)).macs


def mixer_macs(tokens: int, dim: int, classes: int) -> int:
    """Return the multiply-accumulates of an MLP-Mixer with patches of 4, from its definition."""
    layer = 2 * dim * tokens * 2 * dim + 2 * tokens * dim * 4 * dim
    return tokens * dim * 48 + 8 * layer + dim * classes


@pytest.mark.parametrize("image", [(3, 32, 32), LARGE, WIDE, (3, 28, 20)], ids=size_text)
def test_a_mixer_has_a_token_for_each_patch(image: Image) -> None:
    tokens = image[1] * image[2] // 16
    model = build_model("mlp_mixer_tiny", 10, image)
    assert count_cost(model, image).macs == mixer_macs(tokens, 128, 10)
    assert model.get_submodule("layers.0.token_mlp.0").in_features == tokens


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "coatnet_0_rw_224", "swin_tiny_patch4_window7_224"])
@pytest.mark.parametrize("image", [LARGE, (3, 64, 96)], ids=size_text)
def test_timm_builds_its_models_of_one_size_for_the_data(name: str, image: Image) -> None:
    """The same network as timm's own with `img_size`."""
    theirs = timm.create_model(name, num_classes=10, img_size=image[1:])
    assert fingerprint(build_model(f"timm/{name}", 10, image), image) == fingerprint(theirs, image)


@pytest.mark.parametrize(("name", "side"), [("vit_tiny_patch16_224", 16), ("resnet18", 64), ("convnext_tiny", 32)])
def test_the_cifar_stem_keeps_the_resolution_of_any_size(name: str, side: int) -> None:
    """A patch of 4 in place of 16, of 2 in place of 4, or no stride at all."""
    model = build_model(f"timm/{name}", 10, LARGE, stem="cifar")
    sizes: list[int] = []
    first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    first.register_forward_hook(lambda _module, _inputs, output: sizes.append(output.shape[2]))
    assert model(torch.randn(2, *LARGE)).shape == (2, 10)
    assert sizes == [side]


REFUSED = [
    ("mlp_mixer_tiny", (3, 33, 33), ["patches of 4×4 pixels", "33×33", "It takes images of 32×32, for example."]),
    ("convnext_tiny", (3, 8, 8), ["'convnext_tiny' cannot take 8×8 images", "It takes images of 32×32, for example."]),
    ("timm/twins_pcpvt_small", (3, 60, 60), ["'twins_pcpvt_small'", "'img_size': 60", "It takes images of 64×64"]),
    ("timm/levit_128s", (3, 60, 60), ["'timm/levit_128s' cannot take 60×60 images", "It takes images of 64×64"]),
]


@pytest.mark.parametrize(("name", "image", "said"), REFUSED, ids=[name for name, *_ in REFUSED])
def test_a_size_that_a_model_does_not_take_is_refused_with_one_that_it_does(
    name: str, image: Image, said: list[str]
) -> None:
    with refused(said):
        build_model(name, 10, image)


@pytest.mark.parametrize("name", ["resnet_20", "mlp_mixer_tiny", "timm/vit_tiny_patch16_224", "timm/resnet18"])
def test_the_size_is_the_datas_and_no_option(name: str) -> None:
    with pytest.raises(BadInput, match=r"built for the data's images \(64×64\); leave img_size out"):
        build_model(name, 10, LARGE, options={"img_size": 64})


@pytest.mark.parametrize("name", ["image", "num_classes"])
def test_what_the_data_says_is_no_option(name: str) -> None:
    with pytest.raises(BadInput, match=f"unknown option '{name}'"):
        build_model("mlp_mixer_tiny", 10, options={name: 3})


def test_trying_leaves_no_trace() -> None:
    """Modes, statistics and the random state stay; a failed try gives the modes back too."""
    model = build_model("resnet_20", 10)
    model.get_submodule("blocks").eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes, random = [module.training for module in model.modules()], torch.get_rng_state()
    assert try_image(model, LARGE) == ""
    assert "channels" in try_image(model, (5, 32, 32))
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Picky(nn.Module):
    """A network that takes two images or more, of 48 pixels or more."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) < 2 or x.shape[2] < 48:
            raise ValueError("too few images" if len(x) < 2 else "too small")
        return x


def test_a_network_that_refuses_one_image_is_tried_with_two() -> None:
    assert build_for(lambda image: Picky(), LARGE, "it") is not None
    with pytest.raises(BadInput, match=r"it cannot take 32×32 images: .*\. It takes images of 64×64, for example\."):
        build_for(lambda image: Picky(), (3, 32, 32), "it")


def test_sizes_nearby_come_first_and_are_possible() -> None:
    found = near((3, 33, 60))
    assert found[0] == (3, 32, 60)
    assert (3, 64, 64) in found
    assert all(height > 0 and width > 0 for _, height, width in found)
