"""LSKNet-T (Li et al., Large Selective Kernel Network for Remote Sensing Object Detection, ICCV 2023).

| | LSKNet-T (paper: sections 3.2 and 3.3, figure 3, table 1) | `lsknet_tiny` |
|---|---|---|
| dims, depths | 32, 64, 160, 256; 3, 3, 5, 2 | the same |
| MLP ratios | 8, 8, 4, 4 (authors' code) | the same |
| large kernel | 5×5 depthwise, then 7×7 depthwise of dilation 3 on its output (23 px in all) | the same |
| each branch | 1×1 to dim/2 | the same |
| selection | average and maximum over the channels, 7×7 convolution 2→2, sigmoid: a map per branch | the same |
| gate | weighted sum of the branches, 1×1 dim/2→dim, times the input | the same |
| block, stages, layer scale | VAN's | `bench.zoo.van` |
| DropPath | 0.1 (authors' configuration) | the same; option `drop_path` |
| stem | 7×7, stride 4, BN | `stem="imagenet"` |
| 32 px stem | none in the paper | `stem="cifar"`: 3×3, stride 2, BN |

ImageNet backbone: 4.3 M parameters (paper, table 1). With `stem="cifar"` the stages see 16, 8, 4 and 2 px. The dropout
inside the MLP that the authors' detector switches on belongs to their fine-tuning and is left out.
"""

import torch
from torch import nn

from bench.util.errors import check_known
from bench.zoo.van import DIMS, Pyramid, conv_norm, depthwise

# Kernel and stride of the first convolution.
STEMS = {"cifar": (3, 2), "imagenet": (7, 4)}


def pooled_maps(x: torch.Tensor) -> torch.Tensor:
    """Return the average and the maximum over the channels of N×C×H×W as N×2×H×W (section 3.3)."""
    return torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)


class LargeSelectiveKernel(nn.Module):
    """The LSK gate: two depthwise kernels in sequence, chosen between at every position, multiply the input."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.small = depthwise(dim, 5)
        self.large = depthwise(dim, 7, dilation=3)
        self.reduce_small = nn.Conv2d(dim, dim // 2, 1)
        self.reduce_large = nn.Conv2d(dim, dim // 2, 1)
        self.select = nn.Conv2d(2, 2, 7, padding=3)
        self.expand = nn.Conv2d(dim // 2, dim, 1)

    def branches(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the N×dim/2×H×W maps of the small and of the large receptive field."""
        small = self.small(x)
        return self.reduce_small(small), self.reduce_large(self.large(small))

    def selection(self, small: torch.Tensor, large: torch.Tensor) -> torch.Tensor:
        """Return the N×2×H×W weights in (0, 1) of the two branches, one map each (section 3.3)."""
        return self.select(pooled_maps(torch.cat([small, large], dim=1))).sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the gated N×dim×H×W map (section 3.3)."""
        small, large = self.branches(x)
        weights = self.selection(small, large)
        return x * self.expand(small * weights[:, :1] + large * weights[:, 1:])


def lsknet_tiny(num_classes: int, stem: str = "cifar", drop_path: float = 0.1) -> nn.Module:
    """Build LSKNet-T with a linear head; raises BadInput for a stem other than "cifar" and "imagenet"."""
    check_known("stem", stem, STEMS)
    kernel, stride = STEMS[stem]
    return Pyramid(num_classes, conv_norm(3, DIMS[0], kernel, stride), LargeSelectiveKernel, drop_path)
