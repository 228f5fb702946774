"""Ghost-ResNets: CIFAR ResNets whose 3×3 convolutions are Ghost modules (Han et al., GhostNet, CVPR 2020)."""

import torch
from torch import Tensor, nn

from bench.zoo.blocks import CIFAR_WIDTHS, ResidualNet, check_range, conv, shortcut, stage_plan


class GhostModule(nn.Module):
    """A convolution for out/ratio channels and cheap depthwise 3×3 convolutions of those for the rest (eq. 3).

    `ratio` is how many maps there are for each that is convolved in full.
    """

    def __init__(self, w_in: int, w_out: int, stride: int, ratio: int) -> None:
        super().__init__()
        primary = -(-w_out // ratio)
        cheap = primary * (ratio - 1)
        self.w_out = w_out
        self.primary = nn.Sequential(conv(w_in, primary, 3, stride), nn.BatchNorm2d(primary), nn.ReLU(inplace=True))
        self.cheap = nn.Sequential(
            conv(primary, cheap, 3, groups=primary), nn.BatchNorm2d(cheap), nn.ReLU(inplace=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the first w_out of the concatenated primary and cheap maps, N×w_out×H/stride×W/stride."""
        primary = self.primary(x)
        return torch.cat((primary, self.cheap(primary)), dim=1)[:, : self.w_out]


class GhostBlock(nn.Module):
    """A basic block with Ghost modules in place of its two convolutions."""

    def __init__(self, w_in: int, w_out: int, stride: int, ratio: int) -> None:
        super().__init__()
        self.ghost1, self.norm1 = GhostModule(w_in, w_out, stride, ratio), nn.BatchNorm2d(w_out)
        self.ghost2, self.norm2 = GhostModule(w_out, w_out, 1, ratio), nn.BatchNorm2d(w_out)
        self.shortcut = shortcut(w_in, w_out, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, N×w_out×H/stride×W/stride, of a map N×w_in×H×W."""
        y = self.relu(self.norm1(self.ghost1(x)))
        return self.relu(self.norm2(self.ghost2(y)).add_(self.shortcut(x)))


def ghost_resnet(num_classes: int, blocks: int, ratio: int = 2) -> nn.Module:
    """Return a CIFAR ResNet of Ghost blocks; raise BadInput when `ratio` is not from 2 to 16."""
    check_range("ratio", ratio, 2, 16)
    layers = [GhostBlock(*step, ratio) for step in stage_plan(CIFAR_WIDTHS, blocks)]
    return ResidualNet(layers, CIFAR_WIDTHS[0], CIFAR_WIDTHS[-1], num_classes)
