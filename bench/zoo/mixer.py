"""MLP-Mixer (Tolstikhin et al., NeurIPS 2021, figure 1 and section 2) for small images.

Patches of 4 (64 tokens at 32 px), 8 layers, pre-norm, GELU; token-mixing MLP of 2·dim hidden units, channel-mixing
MLP of 4·dim; LayerNorm, mean over tokens, linear head. No position embedding: the token-mixing weights know the places.

Initialisation: LeCun normal with zero biases, as in the authors' code. Their head starts at zero, which would leave
every other gradient exactly zero at the first step; here it is drawn from a truncated N(0, 0.02²).
"""

import torch
from torch import nn

from bench.data.prepare import Image
from bench.zoo.blocks import check_range
from bench.zoo.initialise import lecun_normal, truncated_normal
from bench.zoo.sizes import SizeError, size_text

PATCH = 4
DEPTH = 8


def mlp(width: int, hidden: int) -> nn.Sequential:
    """Return linear, GELU, linear over the last axis."""
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class MixerLayer(nn.Module):
    """Mix tokens, then channels, of N×tokens×dim (equation 1); each MLP is pre-normed and has a residual."""

    def __init__(self, tokens: int, dim: int) -> None:
        super().__init__()
        self.token_norm = nn.LayerNorm(dim)
        self.token_mlp = mlp(tokens, 2 * dim)
        self.channel_norm = nn.LayerNorm(dim)
        self.channel_mlp = mlp(dim, 4 * dim)

    def mix_tokens(self, x: torch.Tensor) -> torch.Tensor:
        """Return the token-mixing branch: one MLP along the tokens, shared by all channels."""
        return self.token_mlp(self.token_norm(x).transpose(1, 2)).transpose(1, 2)

    def mix_channels(self, x: torch.Tensor) -> torch.Tensor:
        """Return the channel-mixing branch: one MLP along the channels, shared by all tokens."""
        return self.channel_mlp(self.channel_norm(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's output, same shape."""
        x = x + self.mix_tokens(x)
        return x + self.mix_channels(x)


class Mixer(nn.Module):
    """Patch embedding, mixer layers, LayerNorm, mean over tokens, linear head.

    `image` is the shape of an image, `dim` the width of a token.
    """

    def __init__(self, num_classes: int, image: Image, dim: int) -> None:
        super().__init__()
        channels, height, width = image
        tokens = (height // PATCH) * (width // PATCH)
        self.patch = nn.Conv2d(channels, dim, PATCH, PATCH)
        self.layers = nn.Sequential(*(MixerLayer(tokens, dim) for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, num_classes)
        self.apply(lecun_normal)
        truncated_normal(self.head)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return N×num_classes logits for images of the shape that the mixer was built for."""
        tokens = self.layers(self.patch(x).flatten(2).transpose(1, 2))
        return self.head(self.norm(tokens).mean(1))


def mlp_mixer(num_classes: int, image: Image, dim: int) -> nn.Module:
    """Build an MLP-Mixer of hidden width `dim` for images of shape `image` (the deck: 128 and 512, at 32 px).

    Raises BadInput for a width outside 1 to 8192, SizeError for images that its patches do not cover.
    """
    if image[1] % PATCH or image[2] % PATCH:
        patches = f"patches of {PATCH}×{PATCH} pixels"
        raise SizeError(f"MLP-Mixer cuts images into {patches}, which do not cover {size_text(image)} images")
    return Mixer(num_classes, image, check_range("dim", dim, 1, 8192))
