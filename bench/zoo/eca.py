"""ECA-ResNets: channel attention by a 1-D convolution over the channel axis (Wang et al., ECA-Net, CVPR 2020)."""

import math

from torch import Tensor, nn

from bench.util.errors import BadInput
from bench.zoo.blocks import CIFAR_WIDTHS, ResidualNet, check_range, stage_plan
from bench.zoo.resnet import BasicBlock

ADAPTIVE = "adaptive"


def adaptive_kernel(channels: int) -> int:
    """Return the kernel size of eq. 12 with γ = 2, b = 1: |(log2 C + 1) / 2|, cut to whole, rounded up to odd."""
    size = int(abs((math.log2(channels) + 1) / 2))
    return size if size % 2 else size + 1


def kernel_size(kernel: int | str, channels: int) -> int:
    """Return the odd kernel size for `channels`; raise BadInput unless it is odd and 1 to 63, or "adaptive"."""
    if kernel == ADAPTIVE:
        return adaptive_kernel(channels)
    if isinstance(kernel, bool) or not isinstance(kernel, int) or not 1 <= kernel <= 63 or kernel % 2 == 0:
        raise BadInput(f"model option 'kernel' is {kernel!r}; allowed: an odd number from 1 to 63, or '{ADAPTIVE}'.")
    return kernel


class ECA(nn.Module):
    """Efficient channel attention: global average pool, 1-D convolution over channels, sigmoid, scale (section 3.2).

    `kernel` is the odd width of the 1-D kernel.
    """

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, kernel, padding=(kernel - 1) // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map (N×C×H×W) scaled channel by channel."""
        weight = self.conv(x.mean((2, 3)).unsqueeze(1)).sigmoid()
        return x * weight.transpose(1, 2).unsqueeze(-1)


class EcaBlock(BasicBlock):
    """A basic block with ECA after the first BN (position 1), the second BN (2) or the addition (3).

    `kernel` is that of the ECA: odd, or "adaptive".
    """

    def __init__(self, w_in: int, w_out: int, stride: int, kernel: int | str, position: int) -> None:
        super().__init__(w_in, w_out, stride)
        check_range("position", position, 1, 3)
        setattr(self, f"attend{position}", ECA(kernel_size(kernel, w_out)))


def eca_resnet(num_classes: int, blocks: int, kernel: int | str = ADAPTIVE, position: int = 2) -> nn.Module:
    """Return a CIFAR ResNet with ECA in every block; the paper's place is position 2.

    The ECA convolution keeps PyTorch's default initialisation, as the authors' code does. Raises BadInput for a
    kernel that is neither odd nor "adaptive", or a position other than 1, 2, 3.
    """
    layers = [EcaBlock(*step, kernel, position) for step in stage_plan(CIFAR_WIDTHS, blocks)]
    return ResidualNet(layers, CIFAR_WIDTHS[0], CIFAR_WIDTHS[-1], num_classes)
