"""Build a model of the zoo, or any timm model named `timm/<name>`."""

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from torch import nn

from bench.util.errors import BadInput, unknown
from bench.zoo.models import find_model

# What a row says and nobody may override.
FIXED = ("timm_name",)


def resolve_builder(builder: str | Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """Return the builder function that a registry row names as "module:function"."""
    if callable(builder):
        return builder
    module, function = builder.split(":")
    return getattr(import_module(f"bench.zoo.{module}"), function)


def build_model(
    name: str, num_classes: int, *, stem: str | None = None, options: Mapping[str, Any] | None = None
) -> nn.Module:
    """Return a freshly initialised model for N×3×32×32 float images and N×num_classes logits.

    `stem` ("imagenet" or "cifar") applies to timm rows only; `options` override the row's own builder options.
    Raises BadInput for an unknown name, a stem where there is no choice, or an option that the builder does not take.
    """
    row = find_model(name)
    function = resolve_builder(row.builder)
    chosen = {**row.options, **(options or {}), **({} if stem is None else {"stem": stem})}
    allowed = [p for p in inspect.signature(function).parameters if p != "num_classes"]
    if stem is not None and "stem" not in allowed:
        raise BadInput(f"model '{name}': stem is '{stem}', but only timm models have a choice of stem; leave it out.")
    for key in options or {}:
        if key not in allowed or key in FIXED:
            raise BadInput(f"model '{name}': {unknown('option', key, (o for o in allowed if o not in FIXED))}")
    return function(num_classes, **chosen)
