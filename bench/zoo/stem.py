"""Finding and opening a network's stem: the layers before its first stage, which shrink an ImageNet image at once."""

import math

from timm.layers import BlurPool2d, PatchEmbed
from torch import Tensor, nn

from bench.data.prepare import Image
from bench.zoo.sizes import try_image

STEMS = ("imagenet", "cifar")
POOLS = (nn.MaxPool2d, nn.AvgPool2d, BlurPool2d)


def stem_modules(model: nn.Module) -> list[nn.Module]:
    """Return the stem: the first child with a convolution, and what follows up to the next child with one.

    While one child alone holds all convolutions (DenseNet's `features`, a transformer's patch embedding), its
    children are looked at instead. A network without convolutions has no stem: the list is empty.
    """
    children = list(model.children())
    with_conv = [child for child in children if any(isinstance(inner, nn.Conv2d) for inner in child.modules())]
    if not with_conv:
        return []
    if len(with_conv) == 1 and not isinstance(with_conv[0], nn.Conv2d):
        return stem_modules(with_conv[0])
    start = children.index(with_conv[0])
    end = children.index(with_conv[1]) if len(with_conv) > 1 else len(children)
    return children[start:end]


def stem_convolutions(model: nn.Module) -> list[nn.Conv2d]:
    """Return the stem's 2-D convolutions in order of registration."""
    return [inner for part in stem_modules(model) for inner in part.modules() if isinstance(inner, nn.Conv2d)]


def patch_size(model: nn.Module) -> int | None:
    """Return the patch of a patchify stem (first convolution's kernel = its stride > 1), or None for any other stem."""
    convolutions = stem_convolutions(model)
    if not convolutions:
        return None
    patch, stride = convolutions[0].kernel_size[0], convolutions[0].stride[0]
    return patch if patch == stride > 1 else None


def smaller_patch(patch: int) -> int:
    """Return the patch for small images: a power of two, at most 4 and at most half (16 → 4, 7 → 2, 4 → 2, 2 → 1)."""
    return 2 ** int(math.log2(min(4, patch // 2)))


def shrink_patch(model: nn.Module, patch: int, image: Image) -> None:
    """Cut the kernel of a patchify stem to patch×patch in place, and tell its patch embedding the images' true size.

    The weights that stay are scaled by old/new patch, so that they have the variance which an initialisation by
    fan-in gives the smaller kernel (where a norm follows, as in ConvNeXt, the scale has no effect on the output).
    """
    convolution = stem_convolutions(model)[0]
    scale = convolution.kernel_size[0] / patch
    convolution.weight = nn.Parameter(convolution.weight.detach()[..., :patch, :patch].contiguous() * scale)
    convolution.kernel_size = convolution.stride = (patch, patch)
    for module in model.modules():
        if isinstance(module, PatchEmbed) and module.proj is convolution:
            module.patch_size, module.img_size = (patch, patch), image[1:]


def stem_reduction(model: nn.Module, image: Image) -> int:
    """Return how many times the stem shrinks an image of a shape, measured by a forward pass; 0 when it gives no map.

    Later layers may fail at this size: the stem has run by then.
    """
    heights: list[int] = []

    def note(_module: nn.Module, _inputs: object, output: object) -> None:
        """Note the height of a map that leaves a part of the stem."""
        if isinstance(output, Tensor) and output.ndim == 4:
            heights.append(output.shape[2])

    hooks = [part.register_forward_hook(note) for part in stem_modules(model)]
    try_image(model, image)
    for hook in hooks:
        hook.remove()
    return image[1] // heights[-1] if heights and heights[-1] else 0


def open_stem(model: nn.Module) -> None:
    """Set the stride of the stem's convolutions to 1 and replace its pooling by the identity, in place."""
    for convolution in stem_convolutions(model):
        convolution.stride = (1, 1)
    pools = {inner for part in stem_modules(model) for inner in part.modules() if isinstance(inner, POOLS)}
    for parent in list(model.modules()):
        for label, child in list(parent.named_children()):
            if child in pools:
                setattr(parent, label, nn.Identity())
