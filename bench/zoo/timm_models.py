"""Any timm model, built for the data's images, with timm's stem ("imagenet") or one of full resolution ("cifar")."""

from collections.abc import Mapping
from typing import Any

import timm
from torch import nn

from bench.data.prepare import Image
from bench.util.errors import BadInput, check_known, first_line, unknown
from bench.zoo.sizes import SizeError
from bench.zoo.stem import STEMS, open_stem, patch_size, shrink_patch, smaller_patch, stem_reduction

# Beyond this the "stem" is most of a network.
LARGEST_GAIN = 8


def check_name(name: str) -> None:
    """Raise BadInput unless timm has an architecture of this name; a tag of pretrained weights is refused."""
    known = timm.list_models()
    if name in known:
        return
    architecture = name.split(".")[0]
    if architecture in known:
        raise BadInput(
            f"timm model '{name}' names pretrained weights, and none are loaded: write 'timm/{architecture}'."
        )
    raise unknown("timm model", name, known, most=12)


def create(name: str, num_classes: int, image: Image, options: Mapping[str, Any], enlarged: int = 1) -> nn.Module:
    """Return timm's model without weights, built for images of a shape where timm builds it for one size.

    `enlarged` says how many times larger the sides are for which it is built. Raises BadInput when it does not take one
    of the options that are set, SizeError when it cannot be built for the size.
    """
    chosen = {key: value for key, value in options.items() if value is not None}
    sides = [side * enlarged for side in image[1:]]
    size = {"img_size": sides[0] if sides[0] == sides[1] else tuple(sides)} if has_fixed_size(name) else {}
    try:
        return timm.create_model(name, pretrained=False, num_classes=num_classes, **chosen, **size)
    except (TypeError, AssertionError, ValueError, RuntimeError) as error:
        kind = SizeError if size and "keyword" not in str(error) else BadInput
        said = f"timm model '{name}' cannot be built with {chosen | size}: {first_line(error)}"
        raise kind(said) from error


def has_fixed_size(name: str) -> bool:
    """Return whether timm says that the model is built for one image size."""
    return bool(timm.models.get_pretrained_cfg_value(name, "fixed_input_size"))


def with_cifar_stem(name: str, num_classes: int, image: Image, options: Mapping[str, Any]) -> nn.Module:
    """Return the model with a stem for small images; raise BadInput when its stem cannot be changed.

    A patchify stem (kernel = stride) gets a smaller patch (16 → 4, 4 → 2). Any other loses the stride of its
    convolutions and its pooling, so that the first stage works at the images' size; the weights keep their shapes. A
    model built for one image size is built for the size whose inner maps are then the same.
    """
    model = create(name, num_classes, image, options)
    patch = patch_size(model)
    gain = stem_reduction(model, image) if patch is None else patch // smaller_patch(patch)
    if not 2 <= gain <= LARGEST_GAIN:
        raise BadInput(
            f"timm model '{name}' has no stem that shrinks an image 2 to {LARGEST_GAIN} times; use stem: imagenet."
        )
    if has_fixed_size(name):
        model = create(name, num_classes, image, options, gain)
    if patch is not None:
        shrink_patch(model, smaller_patch(patch), image)
        return model
    open_stem(model)
    if stem_reduction(model, image) != 1:
        raise BadInput(f"timm model '{name}': its stem cannot keep the full resolution; use stem: imagenet.")
    return model


def timm_model(
    num_classes: int,
    image: Image,
    timm_name: str,
    stem: str = "imagenet",
    drop_rate: float | None = None,
    drop_path_rate: float | None = None,
) -> nn.Module:
    """Return timm's model `timm_name`, freshly initialised as timm does it, for images of shape `image` (C, H, W).

    `stem` is "imagenet" (unchanged) or "cifar" (see `with_cifar_stem`). `drop_rate` and `drop_path_rate` are timm's;
    left out, timm's defaults hold. Raises BadInput for an unknown name or stem, an option that the model does not take
    and a stem that cannot be changed, SizeError for a size that it cannot be built for.
    """
    check_name(timm_name)
    check_known("stem", stem, STEMS)
    options = {"drop_rate": drop_rate, "drop_path_rate": drop_path_rate}
    build = create if stem == "imagenet" else with_cifar_stem
    return build(timm_name, num_classes, image, options)
