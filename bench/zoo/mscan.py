"""MSCAN: the SegNeXt encoder (Guo et al., NeurIPS 2022), as the paper defines its size T, and as the deck varied it.

| | MSCAN-T (paper: section 3.1, figure 2, table 2) | `mscan_tiny` | `deck_mscan` |
|---|---|---|---|
| dims, depths | 32, 64, 160, 256; 3, 3, 5, 2 | the same | the same |
| MLP ratios | 8, 8, 4, 4, depthwise 3×3 inside | the same | 4 everywhere, BN inside |
| local kernel | 5×5 depthwise | the same | the same |
| strip pairs | 1×7·7×1, 1×11·11×1, 1×21·21×1 | the same | 1×3·3×1, 1×5·5×1 |
| branches are | summed with the local map | the same | concatenated with it |
| gate | 1×1, times the input (no sigmoid) | the same | 1×1, sigmoid, times the normed input |
| around the gate | 1×1, GELU … 1×1, shortcut | the same | nothing |
| layer scale, DropPath | 0.01; 0 to 0.1 | the same | neither |
| norms of a block | two BatchNorms | the same | one BatchNorm, used before both branches |
| stem | two 3×3 convolutions, stride 2 each | `stem="imagenet"` | one 3×3, stride 2, BN, ReLU |
| 32 px stem | none in the paper | `stem="cifar"`: the same two, strides 1 and 2 | as above |
| between stages | 3×3, stride 2, BN | the same | 2×2, stride 2, BN |

ImageNet parameters of MSCAN-T with 1000 classes: 4.2 M (paper, table 3). With `stem="cifar"` the first convolution sees
all 32 px and the stages see 16, 8, 4 and 2 px, as HorNet's and LSKNet's do; the parameters do not change.

The deck's block reuses its first BatchNorm before the MLP: only this reading meets the 3,359,556 parameters of its
training logs (two BatchNorms would make 3,362,756). Its running statistics are thus a mixture of two distributions.
"""

import torch
from torch import nn

from bench.util.errors import check_known
from bench.zoo.initialise import fan_out_normal
from bench.zoo.van import DEPTHS, DIMS, Pyramid, conv_norm, depthwise

# Strides of the two convolutions.
STEMS = {"cifar": (1, 2), "imagenet": (2, 2)}
DECK_RATIO = 4


def strip_pair(dim: int, kernel: int) -> nn.Sequential:
    """Return a 1×k, then a k×1 depthwise convolution: a k×k kernel of rank one (section 3.1)."""
    return nn.Sequential(depthwise(dim, (1, kernel)), depthwise(dim, (kernel, 1)))


class MultiScaleGate(nn.Module):
    """Multi-scale convolutional attention (section 3.1): a 1×1-mixed sum of scales multiplies the input."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.local = depthwise(dim, 5)
        self.strips = nn.ModuleList(strip_pair(dim, kernel) for kernel in (7, 11, 21))
        self.mix = nn.Conv2d(dim, dim, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the gated N×dim×H×W map."""
        scales = local = self.local(x)
        for strip in self.strips:
            scales = scales + strip(local)
        return x * self.mix(scales)


class DeckGate(nn.Module):
    """The deck's gate: local map and two small strip pairs concatenated, 1×1, sigmoid, times the input."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.local = depthwise(dim, 5)
        self.strips = nn.ModuleList(strip_pair(dim, kernel) for kernel in (3, 5))
        self.mix = nn.Conv2d(3 * dim, dim, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the gated N×dim×H×W map."""
        local = self.local(x)
        return x * self.mix(torch.cat([local, *(strip(local) for strip in self.strips)], dim=1)).sigmoid()


class DeckBlock(nn.Module):
    """The deck's block: gate and MLP, each with a residual, both behind the same BatchNorm."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = DECK_RATIO * dim
        self.norm = nn.BatchNorm2d(dim)
        self.gate = DeckGate(dim)
        self.mlp = nn.Sequential(
            nn.Conv2d(dim, hidden, 1), nn.BatchNorm2d(hidden), nn.GELU(), nn.Conv2d(hidden, dim, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output, same shape."""
        x = x + self.gate(self.norm(x))
        return x + self.mlp(self.norm(x))


class DeckMSCAN(nn.Module):
    """The deck's encoder: stem, four stages, BatchNorm, mean over positions, linear head; all convolutions biased."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        stages: list[nn.Module] = [conv_norm(3, DIMS[0], 3, 2), nn.ReLU()]
        for index, (dim, depth) in enumerate(zip(DIMS, DEPTHS, strict=True)):
            if index > 0:
                stages += [nn.Conv2d(DIMS[index - 1], dim, 2, 2), nn.BatchNorm2d(dim)]
            stages += [DeckBlock(dim) for _ in range(depth)]
        self.stages = nn.Sequential(*stages, nn.BatchNorm2d(DIMS[-1]))
        self.head = nn.Linear(DIMS[-1], num_classes)
        self.apply(fan_out_normal)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return N×num_classes logits for N×3×H×W images."""
        return self.head(self.stages(x).mean((2, 3)))


def mscan_stem(stem: str) -> nn.Sequential:
    """Return two 3×3 convolutions, each with BN, GELU between, that divide the size by 4, or by 2 for 32 px images."""
    check_known("stem", stem, STEMS)
    first, second = STEMS[stem]
    half = DIMS[0] // 2
    return nn.Sequential(conv_norm(3, half, 3, first), nn.GELU(), conv_norm(half, DIMS[0], 3, second))


def mscan_tiny(num_classes: int, stem: str = "cifar", drop_path: float = 0.1) -> nn.Module:
    """Build MSCAN-T as in the SegNeXt paper; raises BadInput for a stem other than "cifar" and "imagenet"."""
    return Pyramid(num_classes, mscan_stem(stem), MultiScaleGate, drop_path)


def deck_mscan(num_classes: int) -> nn.Module:
    """Build the deck's `segnext_mscan_tiny` for N×3×32×32 images."""
    return DeckMSCAN(num_classes)
