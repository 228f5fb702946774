"""The pooled three-group network of the public CIFAR-100 speed runs: 8.6 M parameters, 175 M MACs at 32 px.

Maps are pooled early and convolved late, since large maps run at a small share of a device's peak; each group ends in
one residual pair of small convolutions on the pooled map.
"""

import torch
from torch import Tensor, nn

from bench.zoo.blocks import conv

WHITENED = 24  # 12 directions of 2×2×3 patches and their negatives
# Widths out, widths inside the residual pair, kernel of the first convolution, kernels of the pair.
GROUPS = ((64, 64, 3, (1, 1)), (256, 192, 3, (3, 1)), (768, 512, 2, (3, 3)))
LOGIT_SCALE = 1.25 / 9


def same_conv(w_in: int, w_out: int, kernel: int) -> nn.Module:
    """Return a convolution without bias that keeps the size; an even kernel pads one more at the right and bottom."""
    if kernel % 2:
        return conv(w_in, w_out, kernel)
    before, after = kernel // 2 - 1, kernel // 2
    pad = nn.ZeroPad2d((before, after, before, after))
    return nn.Sequential(pad, nn.Conv2d(w_in, w_out, kernel, bias=False))


class PooledGroup(nn.Module):
    """Convolution, 2×2 max pooling, BatchNorm, SiLU; then x + a pair of convolutions with BatchNorm and SiLU.

    `w_inner` is the width within the pair, `kernel` that of the first convolution, `kernels` those of the pair.
    """

    def __init__(self, w_in: int, w_out: int, w_inner: int, kernel: int, kernels: tuple[int, int]) -> None:
        super().__init__()
        self.conv1, self.norm1 = same_conv(w_in, w_out, kernel), nn.BatchNorm2d(w_out)
        self.conv2, self.norm2 = same_conv(w_out, w_inner, kernels[0]), nn.BatchNorm2d(w_inner)
        self.conv3, self.norm3 = same_conv(w_inner, w_out, kernels[1]), nn.BatchNorm2d(w_out)
        self.pool, self.activation = nn.MaxPool2d(2), nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return N×w_out×⌊H/2⌋×⌊W/2⌋ maps of N×w_in×H×W ones."""
        x = self.activation(self.norm1(self.pool(self.conv1(x))))
        y = self.activation(self.norm2(self.conv2(x)))
        return x + self.activation(self.norm3(self.conv3(y)))


class PooledNet(nn.Module):
    """A 2×2 stem without padding, three pooled groups, global max + mean, a linear layer without bias, scaled."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, WHITENED, 2, bias=False), nn.SiLU())
        widths = (WHITENED, *(group[0] for group in GROUPS))
        self.groups = nn.Sequential(*(PooledGroup(w_in, *group) for w_in, group in zip(widths, GROUPS, strict=False)))
        self.head = nn.Linear(widths[-1], num_classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N×num_classes) of images (N×3×H×W, H and W of 17 or more)."""
        x = self.groups(self.stem(x))
        return self.head(torch.amax(x, dim=(2, 3)) + x.mean(dim=(2, 3))) * LOGIT_SCALE


def speed_75(num_classes: int) -> nn.Module:
    """Return the network; the whitening stem and Dirac initialisation are parts of its recipe, not of the network."""
    return PooledNet(num_classes)
