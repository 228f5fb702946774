"""ResNets for 32-pixel images with 3×3 stems: ResNet-20/32/56 and ResNet-18 (He et al., CVPR 2016)."""

from torch import Tensor, nn

from bench.zoo.blocks import CIFAR_WIDTHS, ResidualNet, conv, shortcut, stage_plan


class BasicBlock(nn.Module):
    """Two 3×3 convolutions with BatchNorm around a shortcut; three places where a subclass may put an attention."""

    def __init__(self, w_in: int, w_out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv(w_in, w_out, 3, stride), nn.BatchNorm2d(w_out)
        self.conv2, self.norm2 = conv(w_out, w_out, 3), nn.BatchNorm2d(w_out)
        self.shortcut = shortcut(w_in, w_out, stride)
        self.relu = nn.ReLU(inplace=True)
        self.attend1: nn.Module = nn.Identity()
        self.attend2: nn.Module = nn.Identity()
        self.attend3: nn.Module = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, N×w_out×H/stride×W/stride, of a map N×w_in×H×W."""
        y = self.relu(self.attend1(self.norm1(self.conv1(x))))
        y = self.attend2(self.norm2(self.conv2(y)))
        return self.relu(self.attend3(y.add_(self.shortcut(x))))


def cifar_resnet(num_classes: int, blocks: int) -> nn.Module:
    """Return ResNet-(6·blocks+2): widths 16, 32, 64, `blocks` basic blocks each (He et al., 2016, section 4.2).

    Differs from the paper in its projection shortcuts (option B); the paper pads with zeros (option A) on CIFAR.
    Raises BadInput when `blocks` is not from 1 to 200.
    """
    layers = [BasicBlock(*step) for step in stage_plan(CIFAR_WIDTHS, blocks)]
    return ResidualNet(layers, CIFAR_WIDTHS[0], CIFAR_WIDTHS[-1], num_classes)


def resnet_18(num_classes: int) -> nn.Module:
    """Return ResNet-18 with a 3×3 stem at stride 1 and no pooling: widths 64, 128, 256, 512, two basic blocks each."""
    widths = (64, 128, 256, 512)
    layers = [BasicBlock(*step) for step in stage_plan(widths, 2)]
    return ResidualNet(layers, widths[0], widths[-1], num_classes)
