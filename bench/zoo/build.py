"""Build a model of the zoo, or any timm model named `timm/<name>`."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from algorithms.registry import import_target
from bench.data.datasets import Dataset
from bench.data.prepare import Image
from bench.spec import ModelSection
from bench.util.errors import BadInput, unknown
from bench.zoo.counting.reference import IMAGE
from bench.zoo.models import find_model
from bench.zoo.sizes import build_for, size_text

# What a row or the data says and nobody may override.
FIXED = ("num_classes", "image", "timm_name")


def build_declared(model: ModelSection, dataset: Dataset) -> nn.Module:
    """Return the model that a spec declares, freshly initialised for a data set's images and classes."""
    return build_model(model.name, len(dataset.classes), dataset.image, stem=model.stem, options=model.options)


def resolve_builder(builder: str | Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """Return the builder function that a registry row names as "module:function"."""
    return builder if callable(builder) else import_target(f"bench.zoo.{builder}")


def build_model(
    name: str,
    num_classes: int,
    image: Image = IMAGE,
    *,
    stem: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Return a freshly initialised model for float images of shape `image` (C, H, W) and N×num_classes logits.

    `stem` ("imagenet" or "cifar") applies to timm rows only; `options` override the row's own builder options.
    Raises BadInput for an unknown name, a stem where there is no choice, an option that the builder does not take, and
    for images of a size that the model does not take, with one that it does.
    """
    row = find_model(name)
    function = resolve_builder(row.builder)
    chosen = {**row.options, **(options or {}), **({} if stem is None else {"stem": stem})}
    parameters = inspect.signature(function).parameters
    allowed = [parameter for parameter in parameters if parameter not in FIXED]
    if stem is not None and "stem" not in allowed:
        raise BadInput(f"model '{name}': stem is '{stem}', but only timm models have a choice of stem; leave it out.")
    for key in options or {}:
        if key == "img_size":
            raise BadInput(
                f"model '{name}': it is built for the data's images ({size_text(image)}); leave img_size out"
            )
        if key not in allowed:
            raise BadInput(f"model '{name}': {unknown('option', key, allowed)}")

    def make(size: Image) -> nn.Module:
        """Return the model for images of a size, passed on where the builder asks for it."""
        return function(num_classes, **chosen, **({"image": size} if "image" in parameters else {}))

    stemmed = f" with stem '{stem}'" if stem else ""
    return build_for(make, image, f"model '{name}'{stemmed}")
