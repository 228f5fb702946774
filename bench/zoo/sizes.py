"""Which images a model takes: tried by a forward pass, and the nearest size that works where one does not."""

from collections.abc import Callable

import torch
from torch import nn

from bench.data.prepare import Image
from bench.util.errors import BadInput, first_line

# A network may refuse a batch of one image (BatchNorm over a single value).
BATCHES = (1, 2)
# The sizes that are proposed are multiples of these.
UNITS = (4, 8, 16, 32, 64, 128, 224)


class SizeError(BadInput):
    """Say that a model cannot be built for images of a size."""


def size_text(image: Image) -> str:
    """Return an image's height and width in words, `32×32`."""
    return f"{image[1]}×{image[2]}"


def try_image(model: nn.Module, image: Image) -> str:
    """Return "" when the model takes images of a shape in eval mode, else what it said; its modes are given back."""
    modes = [(module, module.training) for module in model.modules()]
    parameter = next(model.parameters(), torch.empty(0))
    said = ""
    try:
        model.eval()
        for batch in BATCHES:
            try:
                with torch.no_grad():
                    model(torch.zeros(batch, *image, device=parameter.device))
            except (RuntimeError, AssertionError, ValueError, TypeError) as error:
                said = said or first_line(error)
            else:
                return ""
    finally:
        for module, training in modes:
            module.training = training
    return said


def build_for(make: Callable[[Image], nn.Module], image: Image, label: str) -> nn.Module:
    """Return the model that `make` builds for images of a shape (C, H, W), after it has taken one.

    Raises BadInput that names a size which it takes, if there is one near. `label` is the model in words.
    """
    try:
        model = make(image)
    except SizeError as error:
        raise BadInput(f"{error}.{proposal(make, image)}") from None
    said = try_image(model, image)
    if said:
        raise BadInput(f"{label} cannot take {size_text(image)} images: {said}.{proposal(make, image)}")
    return model


def proposal(make: Callable[[Image], nn.Module], image: Image) -> str:
    """Return a sentence with the nearest size of images that a model can be built for and takes, or nothing."""
    for other in near(image):
        try:
            if not try_image(make(other), other):
                return f" It takes images of {size_text(other)}, for example."
        except BadInput:
            continue
    return ""


def near(image: Image) -> list[Image]:
    """Return other sizes, the nearest first: both sides rounded to multiples of `UNITS`, up and down."""
    channels, height, width = image

    def rounded(unit: int, up: bool) -> Image:
        """Return the image with sides that are multiples of a unit."""
        sides = [unit * (-(-side // unit) if up else side // unit) for side in (height, width)]
        return channels, sides[0], sides[1]

    found = {rounded(unit, up) for unit in UNITS for up in (False, True)} - {image}
    usable = [other for other in found if other[1] and other[2]]
    return sorted(usable, key=lambda other: (abs(other[1] - height) + abs(other[2] - width), other))
