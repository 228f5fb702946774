"""Any timm model, at 32 pixels, with timm's own stem ("imagenet") or one that keeps the full resolution ("cifar")."""

from typing import Any

import timm
from torch import nn

from bench.util.errors import BadInput, unknown
from bench.zoo.stem import STEMS, open_stem, patch_size, shrink_patch, smaller_patch, stem_reduction, try_image

IMAGE_SIZE = 32
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


def create(name: str, num_classes: int, options: dict[str, Any]) -> nn.Module:
    """Return timm's model without weights; raise BadInput when it does not take one of the options that are set."""
    chosen = {key: value for key, value in options.items() if value is not None}
    try:
        return timm.create_model(name, pretrained=False, num_classes=num_classes, **chosen)
    except (TypeError, AssertionError, ValueError, RuntimeError) as error:
        raise BadInput(f"timm model '{name}' cannot be built with {chosen}: {error}") from error


def has_fixed_size(name: str) -> bool:
    """Return whether timm says that the model is built for one image size."""
    return bool(timm.models.get_pretrained_cfg_value(name, "fixed_input_size"))


def with_cifar_stem(name: str, num_classes: int, options: dict[str, Any]) -> nn.Module:
    """Return the model with a stem for small images; raise BadInput when its stem cannot be changed.

    A patchify stem (kernel = stride) gets a smaller patch (16 → 4, 4 → 2). Any other loses the stride of its
    convolutions and its pooling, so that the first stage works at 32×32; the weights keep their shapes. A model built
    for one image size (`img_size`) is built for the size whose inner maps are then the same.
    """
    model = create(name, num_classes, options)
    patch = patch_size(model)
    gain = stem_reduction(model, IMAGE_SIZE) if patch is None else patch // smaller_patch(patch)
    if not 2 <= gain <= LARGEST_GAIN:
        raise BadInput(
            f"timm model '{name}' has no stem that shrinks an image 2 to {LARGEST_GAIN} times; use stem: imagenet."
        )
    if options["img_size"]:
        model = create(name, num_classes, {**options, "img_size": IMAGE_SIZE * gain})
    if patch is not None:
        shrink_patch(model, smaller_patch(patch), IMAGE_SIZE)
        return model
    open_stem(model)
    if stem_reduction(model, IMAGE_SIZE) != 1:
        raise BadInput(f"timm model '{name}': its stem cannot keep the full resolution; use stem: imagenet.")
    return model


def timm_model(
    num_classes: int,
    timm_name: str,
    stem: str = "imagenet",
    img_size: int | None = None,
    drop_rate: float | None = None,
    drop_path_rate: float | None = None,
) -> nn.Module:
    """Return timm's model `timm_name`, freshly initialised as timm does it, for N×3×32×32 images.

    `stem` is "imagenet" (unchanged) or "cifar" (see `with_cifar_stem`). `img_size` (pixels) is for models built for one
    size; left out it is 32 for those and unset for the rest. `drop_rate` and `drop_path_rate` are timm's; left out,
    timm's defaults hold. Raises BadInput for an unknown name or stem, an option that the model does not take, a stem
    that cannot be changed, and a model that cannot take 32×32 images.
    """
    check_name(timm_name)
    if stem not in STEMS:
        raise unknown("stem", stem, STEMS)
    if img_size is None and has_fixed_size(timm_name):
        img_size = IMAGE_SIZE
    options = {"img_size": img_size, "drop_rate": drop_rate, "drop_path_rate": drop_path_rate}
    build = create if stem == "imagenet" else with_cifar_stem
    model = build(timm_name, num_classes, options)
    complaint = try_image(model, IMAGE_SIZE)
    if complaint:
        raise BadInput(f"timm model '{timm_name}' with stem '{stem}' cannot take 32×32 images: {complaint}")
    return model
