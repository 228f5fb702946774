"""The deck's own design: ResNet-20's frame with inverted 7×7 depthwise blocks, BatchNorm and ReLU kept."""

from timm.layers import DropPath
from torch import Tensor, nn

from bench.util.errors import BadInput
from bench.zoo.blocks import CIFAR_WIDTHS, ResidualNet, conv, shortcut, stage_plan

BLOCKS_PER_STAGE = 3
EXPANSION = 4


def drop_path_rates(highest: float, blocks: int) -> list[float]:
    """Return DropPath rates that rise linearly from 0 to `highest`; raise BadInput unless 0 ≤ highest < 1."""
    if isinstance(highest, bool) or not isinstance(highest, int | float) or not 0.0 <= highest < 1.0:
        raise BadInput(f"model option 'drop_path' is {highest!r}; allowed: a number from 0 up to, but not, 1.")
    return [highest * index / (blocks - 1) for index in range(blocks)]


def check_switch(option: str, value: object) -> bool:
    """Return a switch; raise BadInput that names the option unless it is true or false."""
    if not isinstance(value, bool):
        raise BadInput(f"model option '{option}' is {value!r}; allowed: true or false.")
    return value


class InvertedBlock(nn.Module):
    """Expand 1×1, 7×7 depthwise (or dense 3×3), project 1×1, DropPath, shortcut; ReLU after the addition."""

    def __init__(
        self, w_in: int, w_out: int, stride: int, *, drop_path: float, depthwise: bool, inverted: bool
    ) -> None:
        super().__init__()
        width = EXPANSION * w_in if inverted else w_in
        expand = [conv(w_in, width, 1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)] if inverted else []
        spatial = conv(width, width, 7, stride, groups=width) if depthwise else conv(width, width, 3, stride)
        self.body = nn.Sequential(
            *expand, spatial, nn.BatchNorm2d(width), nn.ReLU(inplace=True), conv(width, w_out, 1), nn.BatchNorm2d(w_out)
        )
        self.drop_path = DropPath(drop_path)
        self.shortcut = shortcut(w_in, w_out, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, N×w_out×H/stride×W/stride, of a map N×w_in×H×W."""
        return self.relu(self.drop_path(self.body(x)).add_(self.shortcut(x)))


def improved_resnet20_convnext(
    num_classes: int, drop_path: float = 0.05, depthwise: bool = True, inverted: bool = True
) -> nn.Module:
    """Return the deck's ConvNeXt-like ResNet-20; each option is one of its ablations.

    `drop_path` is the last block's rate (they rise linearly from 0), `depthwise=False` a dense 3×3 on the expanded
    channels, `inverted=False` no expansion. DropPath is timm's (Huang et al., Stochastic Depth, ECCV 2016).
    """
    depthwise, inverted = check_switch("depthwise", depthwise), check_switch("inverted", inverted)
    plan = stage_plan(CIFAR_WIDTHS, BLOCKS_PER_STAGE)
    rates = drop_path_rates(drop_path, len(plan))
    layers = [
        InvertedBlock(*step, drop_path=rate, depthwise=depthwise, inverted=inverted)
        for step, rate in zip(plan, rates, strict=True)
    ]
    return ResidualNet(layers, CIFAR_WIDTHS[0], CIFAR_WIDTHS[-1], num_classes)
