"""MBConv (inverted residual) with squeeze-excite, with ECA, or with a selected depthwise kernel (LSK-MBConv).

Sources: Sandler et al., MobileNetV2, CVPR 2018 (the block); Hu et al., SENet, CVPR 2018; Wang et al., ECA-Net, CVPR
2020; Li et al., SKNet, CVPR 2019 (weights softmaxed over kernels). The mix is the deck's own.
"""

from typing import Literal

import torch
from torch import nn

from bench.zoo.blocks import conv
from bench.zoo.eca import ECA

EXPANSION = 4
SE_REDUCTION = 4
LSK_REDUCTION = 8
LSK_KERNELS = (3, 5, 7)
ECA_KERNEL = 3


def conv_bn(w_in: int, w_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a "same"-padded convolution without bias, and its BatchNorm."""
    return nn.Sequential(conv(w_in, w_out, kernel, stride, groups), nn.BatchNorm2d(w_out))


def conv_bn_relu6(w_in: int, w_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return convolution, BatchNorm, ReLU6."""
    return conv_bn(w_in, w_out, kernel, stride, groups).append(nn.ReLU6())


class SqueezeExcite(nn.Module):
    """Scale each channel by a gate computed from the pooled channels: /4 with bias, ReLU6, back with bias, sigmoid."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = width // SE_REDUCTION
        self.gate = nn.Sequential(nn.Conv2d(width, hidden, 1), nn.ReLU6(), nn.Conv2d(hidden, width, 1), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return N×C×H×W scaled channel by channel."""
        return x * self.gate(x.mean((2, 3), keepdim=True))


class SelectedDepthwise(nn.Module):
    """Depthwise convolutions of kernels 3, 5, 7 in parallel (each BN, ReLU6), mixed by weights from the block's input.

    The weights are per channel, sum to 1 over the kernels, and come from the pooled input: pool → 1×1 /8 → ReLU → 1×1
    ×3, both without bias.
    """

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(conv_bn_relu6(width, width, k, stride, groups=width) for k in LSK_KERNELS)
        self.score = nn.Sequential(
            nn.Conv2d(width, width // LSK_REDUCTION, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(width // LSK_REDUCTION, len(LSK_KERNELS) * width, 1, bias=False),
        )

    def selection(self, x: torch.Tensor) -> torch.Tensor:
        """Return the N×3×C×1×1 weights of the kernels for N×C×H×W input."""
        scores = self.score(x.mean((2, 3), keepdim=True))
        return scores.unflatten(1, (len(LSK_KERNELS), -1)).softmax(dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the weighted sum of the branches."""
        weights = self.selection(x).unbind(1)
        parts = [weight * branch(x) for weight, branch in zip(weights, self.branches, strict=True)]
        return parts[0] + parts[1] + parts[2]


class MBConv(nn.Module):
    """1×1 to 4·w_in, depthwise 3×3 (or selected kernels), channel attention, 1×1 to w_out; BN after each, ReLU6 within.

    The residual is added where the stride is 1 and the widths agree; there is no projection shortcut, and no
    activation after the last BatchNorm.
    """

    def __init__(
        self, w_in: int, w_out: int, stride: int, attention: Literal["se", "eca"] = "se", lsk: bool = False
    ) -> None:
        super().__init__()
        hidden = EXPANSION * w_in
        self.residual = stride == 1 and w_in == w_out
        self.expand = conv_bn_relu6(w_in, hidden, 1)
        self.depthwise = (
            SelectedDepthwise(hidden, stride) if lsk else conv_bn_relu6(hidden, hidden, 3, stride, groups=hidden)
        )
        self.attention = SqueezeExcite(hidden) if attention == "se" else ECA(ECA_KERNEL)
        self.project = conv_bn(hidden, w_out, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return N×w_out×H/stride×W/stride for N×w_in×H×W."""
        out = self.project(self.attention(self.depthwise(self.expand(x))))
        return x + out if self.residual else out
