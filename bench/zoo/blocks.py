"""What the CIFAR ResNet families really share: stage plan, convolution, shortcut, frame, initialisation."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from bench.util.errors import BadInput

CIFAR_WIDTHS = (16, 32, 64)


def check_range(option: str, value: object, low: int, high: int) -> int:
    """Return `value` as an int of low..high; raise BadInput that names the option and what is allowed."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadInput(f"model option '{option}' is {value!r}; allowed: a whole number from {low} to {high}.")
    return value


def stage_plan(widths: Sequence[int], blocks: int) -> list[tuple[int, int, int]]:
    """Return (w_in, w_out, stride) of every residual block: `blocks` a stage, stride 2 where a later stage begins."""
    check_range("blocks", blocks, 1, 200)
    plan = []
    w_in = widths[0]
    for stage, w_out in enumerate(widths):
        for block in range(blocks):
            plan.append((w_in, w_out, 2 if stage > 0 and block == 0 else 1))
            w_in = w_out
    return plan


def conv(w_in: int, w_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Return a convolution without bias whose padding keeps the size at stride 1."""
    return nn.Conv2d(w_in, w_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)


def shortcut(w_in: int, w_out: int, stride: int) -> nn.Module:
    """Return the identity, or a strided 1×1 projection with BatchNorm where the shape changes (He et al., option B)."""
    if w_in == w_out and stride == 1:
        return nn.Identity()
    return nn.Sequential(conv(w_in, w_out, 1, stride), nn.BatchNorm2d(w_out))


def he_initialise(model: nn.Module) -> None:
    """Draw every 2-D convolution from N(0, 2 / fan_in) (He et al., ICCV 2015, eq. 10); leave the rest as PyTorch does.

    fan_in rather than fan_out, because PyTorch's fan_out of a depthwise convolution counts all its groups and
    would make it far too small. BatchNorm starts at weight 1, bias 0; linear and 1-D layers at U(±1/√fan_in).
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")


class ResidualNet(nn.Module):
    """The frame of He et al. (CVPR 2016, section 4.2): 3×3 stem, residual blocks, global average pool, linear layer.

    `w_stem` is the width of the stem, `w_out` that of the last block.
    """

    def __init__(self, blocks: Iterable[nn.Module], w_stem: int, w_out: int, num_classes: int) -> None:
        super().__init__()
        check_range("num_classes", num_classes, 1, 1_000_000)
        self.stem = nn.Sequential(conv(3, w_stem, 3), nn.BatchNorm2d(w_stem), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(w_out, num_classes)
        he_initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N×num_classes) of images (N×3×H×W)."""
        x = self.blocks(self.stem(x))
        return self.head(torch.flatten(self.pool(x), 1))
