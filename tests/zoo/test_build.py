"""Building by name: what is refused, and how it is said."""

from typing import Any

import pytest
import torch

from bench.util.errors import BadInput
from bench.zoo.build import build_model
from bench.zoo.models import find_model


@pytest.mark.parametrize(
    ("name", "stem", "options", "said"),
    [
        ("resnet_21", None, {}, r"unknown model 'resnet_21'\. Did you mean 'resnet_20'\?"),
        ("timm/resnt18", None, {}, r"unknown timm model 'resnt18'\. Did you mean 'resnet18'\?"),
        ("timm/resnet18.a1_in1k", None, {}, r"none are loaded: write 'timm/resnet18'"),
        ("resnet_20", "cifar", {}, r"model 'resnet_20': stem is 'cifar', but only timm models"),
        ("timm/resnet18", "cifr", {}, r"unknown stem 'cifr'\. Did you mean 'cifar'\? Allowed: cifar, imagenet"),
        ("timm/vgg11", "cifar", {}, r"'vgg11' has no stem that shrinks an image 2 to 8 times"),
        (
            "timm/inception_v3",
            None,
            {},
            r"'timm/inception_v3' cannot take 32×32 images: .* It takes images of 128×128, for example",
        ),
        (
            "timm/resnet18",
            None,
            {"img_size": 32},
            r"'timm/resnet18': it is built for the data's images \(32×32\); leave",
        ),
        ("timm/resnet18", None, {"drop_path_rate": "x"}, r"'resnet18' cannot be built with \{'drop_path_rate': 'x'\}"),
        ("timm/resnet18", None, {"timm_name": "resnet34"}, r"unknown option 'timm_name'\. .*Allowed: drop_path_rate"),
        ("resnet_20", None, {"block": 3}, r"model 'resnet_20': unknown option 'block'\. Did you mean 'blocks'\?"),
        ("resnet_20", None, {"blocks": 0}, r"option 'blocks' is 0; allowed: a whole number from 1 to 200"),
        ("resnet_20", None, {"blocks": "3"}, r"option 'blocks' is '3'"),
        ("resnet_20", None, {"blocks": True}, r"option 'blocks' is True"),
        (
            "eca_resnet_20",
            None,
            {"kernel": 4},
            r"option 'kernel' is 4; allowed: an odd number from 1 to 63, or 'adaptive'",
        ),
        ("eca_resnet_20", None, {"kernel": "auto"}, r"option 'kernel' is 'auto'"),
        ("eca_resnet_20", None, {"position": 4}, r"option 'position' is 4; allowed: a whole number from 1 to 3"),
        ("ghost_resnet_20", None, {"ratio": 1}, r"option 'ratio' is 1; allowed: a whole number from 2 to 16"),
        ("improved_resnet20_convnext", None, {"drop_path": 1.0}, r"option 'drop_path' is 1\.0"),
        ("improved_resnet20_convnext", None, {"inverted": "no"}, r"option 'inverted' is 'no'; allowed: true or false"),
    ],
)
def test_what_is_refused(name: str, stem: str | None, options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        build_model(name, 10, stem=stem, options=options)


def test_options_override_the_row() -> None:
    torch.manual_seed(0)
    deeper = build_model("resnet_20", 10, options={"blocks": 5})
    assert deeper.state_dict().keys() == build_model("resnet_32", 10).state_dict().keys()


def test_the_seed_decides_the_weights() -> None:
    models = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        models.append(build_model("eca_resnet_20", 10))
    first, again, other = (torch.nn.utils.parameters_to_vector(model.parameters()) for model in models)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_any_timm_name_has_a_row() -> None:
    row = find_model("timm/resnet18")
    assert row.options == {"timm_name": "resnet18"}
    assert not row.deck
