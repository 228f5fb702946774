"""Vision Transformer (Dosovitskiy et al., ICLR 2021) for small images, such as one of the size of DeiT-Ti.

The network is timm's, built for the data's images with small patches: 64 of 4×4 pixels at 32 px, and the class token.
Initialised as timm does it: truncated normal of 0.02.
"""

from timm.models.vision_transformer import VisionTransformer
from torch import nn

from bench.data.prepare import Image
from bench.util.errors import BadInput
from bench.zoo.blocks import check_range
from bench.zoo.sizes import SizeError, size_text


def vit(num_classes: int, image: Image, dim: int, depth: int, heads: int, patch: int) -> nn.Module:
    """Return a Vision Transformer for images of shape `image` (C, H, W).

    `dim` is the width of a token, a multiple of `heads`; `depth` the number of blocks; `patch` the side of a patch in
    pixels. Raises BadInput for an option out of range, SizeError for images that the patches do not cover.
    """
    if check_range("dim", dim, 1, 8192) % check_range("heads", heads, 1, 64):
        raise BadInput(f"model option 'dim' is {dim}; allowed: a multiple of the {heads} heads.")
    if any(side % check_range("patch", patch, 1, 64) for side in image[1:]):
        patches = f"patches of {patch}×{patch} pixels"
        raise SizeError(f"ViT cuts images into {patches}, which do not cover {size_text(image)} images")
    return VisionTransformer(
        img_size=image[1:],
        patch_size=patch,
        in_chans=image[0],
        num_classes=num_classes,
        embed_dim=dim,
        depth=check_range("depth", depth, 1, 64),
        num_heads=heads,
    )
