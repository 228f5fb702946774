"""The deck's CoAtNets: MBConv stages, then transformer stages (after Dai et al., CoAtNet, NeurIPS 2021).

What differs from the paper's CoAtNet-0: no relative position term in the attention, BatchNorm after (not before) the
convolutions, ReLU6, a transformer S2 of 3 blocks, strided 2×2 convolutions between the transformer stages, and no norm
before the head. This reading meets the parameter counts that the deck's training logs recorded.

| stage | `coatnet_0` (32 px) | `coatnet_cifar_opt` (32 px) |
|---|---|---|
| stem | 3×3, stride 2, 64 (16 px) | the same, or 3×3 32 + 5×5 depthwise stride 2 + 1×1 64 |
| S0 | 2 MBConv, 64 (16 px) | 2 ECA-MBConv, 64 (16 px) |
| S1 | 2 MBConv, 96, stride 2 (8 px) | 2 ECA-MBConv, 96, stride 2 (8 px) |
| S2 | 1×1 conv + bias, 3 blocks of 192, 4 heads (8 px) | 6 ECA-MBConv, 192, stride 2 (4 px) |
| S3 | 2×2 conv + bias, 5 blocks of 384, 4 heads (4 px) | 2×2 conv + bias, 10 ECA blocks of 384, 8 heads (2 px) |
| S4 | 2×2 conv + bias, 2 blocks of 768, 4 heads (2 px) | 2×2 conv + bias, 2 ECA blocks of 512, 8 heads (1 px) |
| head | mean over tokens, linear | mean over tokens, linear |

Initialisation: the paper states none; convolutions and linear layers are drawn as in the families it joins
(`fan_out_normal`: EfficientNet and ViT).
"""

from typing import Literal

import torch
from torch import nn

from bench.zoo.attention import TransformerBlock
from bench.zoo.blocks import conv
from bench.zoo.initialise import fan_out_normal
from bench.zoo.mbconv import ECA_KERNEL, MBConv, conv_bn

STEM_WIDTH = 64


class TransformerStage(nn.Module):
    """A patch convolution with bias (kernel = stride = `patch`), then transformer blocks over its positions.

    `eca_kernel` is the kernel of the ECA behind each block; without it there is none.
    """

    def __init__(self, w_in: int, dim: int, blocks: int, heads: int, patch: int, eca_kernel: int | None = None) -> None:
        super().__init__()
        self.patch = nn.Conv2d(w_in, dim, patch, patch)
        self.blocks = nn.Sequential(*(TransformerBlock(dim, heads, eca_kernel) for _ in range(blocks)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return N×dim×H/patch×W/patch for N×w_in×H×W."""
        x = self.patch(x)
        tokens = self.blocks(x.flatten(2).transpose(1, 2))
        return tokens.transpose(1, 2).unflatten(2, x.shape[2:])


class CoAtNet(nn.Module):
    """Stages in a row, the mean over positions, a linear head.

    `width` is that of the last stage.
    """

    def __init__(self, num_classes: int, stages: list[nn.Module], width: int) -> None:
        super().__init__()
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(width, num_classes)
        self.apply(fan_out_normal)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return N×num_classes logits for N×3×H×W images."""
        return self.head(self.stages(x).mean((2, 3)))


def small_stem() -> nn.Sequential:
    """Return 3×3 stride 2 to 64 channels, BN, ReLU."""
    return conv_bn(3, STEM_WIDTH, 3, stride=2).append(nn.ReLU())


def large_receptive_stem() -> nn.Sequential:
    """Return 3×3 to 32 (BN, ReLU), 5×5 depthwise stride 2, 1×1 to 64 (BN, ReLU); no biases."""
    half = STEM_WIDTH // 2
    depthwise = conv(half, half, 5, stride=2, groups=half)
    return nn.Sequential(conv_bn(3, half, 3), nn.ReLU(), depthwise, conv_bn(half, STEM_WIDTH, 1), nn.ReLU())


def mbconv_stage(
    w_in: int, w_out: int, blocks: int, stride: int, attention: Literal["se", "eca"] = "se", lsk: bool = False
) -> nn.Sequential:
    """Return `blocks` MBConv blocks, the first of which changes width and stride."""
    first = MBConv(w_in, w_out, stride, attention, lsk)
    return nn.Sequential(first, *(MBConv(w_out, w_out, 1, attention, lsk) for _ in range(blocks - 1)))


def coatnet_0(num_classes: int, lsk: bool = False) -> nn.Module:
    """Build the deck's CoAtNet-0 for N×3×32×32 images; `lsk` selects the depthwise kernel in S0 and S1."""
    stages = [
        small_stem(),
        mbconv_stage(64, 64, blocks=2, stride=1, lsk=lsk),
        mbconv_stage(64, 96, blocks=2, stride=2, lsk=lsk),
        TransformerStage(96, 192, blocks=3, heads=4, patch=1),
        TransformerStage(192, 384, blocks=5, heads=4, patch=2),
        TransformerStage(384, 768, blocks=2, heads=4, patch=2),
    ]
    return CoAtNet(num_classes, stages, width=768)


def coatnet_cifar_opt(num_classes: int, large_stem: bool = False) -> nn.Module:
    """Build the deck's own CoAtNet with ECA throughout, for N×3×32×32 images."""
    stages = [
        large_receptive_stem() if large_stem else small_stem(),
        mbconv_stage(64, 64, blocks=2, stride=1, attention="eca"),
        mbconv_stage(64, 96, blocks=2, stride=2, attention="eca"),
        mbconv_stage(96, 192, blocks=6, stride=2, attention="eca"),
        TransformerStage(192, 384, blocks=10, heads=8, patch=2, eca_kernel=ECA_KERNEL),
        TransformerStage(384, 512, blocks=2, heads=8, patch=2, eca_kernel=ECA_KERNEL),
    ]
    return CoAtNet(num_classes, stages, width=512)
