"""The pyramid that MSCAN-T and LSKNet-T share: VAN's blocks (Guo et al., Visual Attention Network, 2022) around a gate.

Both papers keep VAN's network and replace its large-kernel gate, so everything but the gate and the stem is here.

| | both papers, size T | here |
|---|---|---|
| dims | 32, 64, 160, 256 | `DIMS` |
| depths | 3, 3, 5, 2 | `DEPTHS` |
| MLP ratios | 8, 8, 4, 4 | `RATIOS` |
| between stages | 3×3 convolution, stride 2, BN | the same |
| block | BN → attention → layer scale → DropPath, BN → MLP → layer scale → DropPath | the same |
| attention | 1×1, GELU, gate, 1×1, plus its own shortcut | the same |
| MLP | 1×1, 3×3 depthwise, GELU, 1×1 | the same |
| after a stage | LayerNorm over the channels | the same |
| layer scale | 0.01 | the same |
| DropPath | linear, 0 to 0.1 over the blocks | the same; option `drop_path` |

All convolutions have a bias. Initialisation: `fan_out_normal`, as in the authors' code of all three networks.
"""

from collections.abc import Callable

import torch
from timm.layers import DropPath, LayerNorm2d
from torch import nn

from bench.zoo.improved import drop_path_rates
from bench.zoo.initialise import fan_out_normal

DIMS = (32, 64, 160, 256)
DEPTHS = (3, 3, 5, 2)
RATIOS = (8, 8, 4, 4)
LAYER_SCALE = 0.01


def depthwise(dim: int, kernel: int | tuple[int, int], dilation: int = 1) -> nn.Conv2d:
    """Return a depthwise convolution with bias that keeps the size ("same" padding; odd kernels)."""
    size = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (dilation * (size[0] // 2), dilation * (size[1] // 2))
    return nn.Conv2d(dim, dim, size, padding=padding, dilation=dilation, groups=dim)


def conv_norm(w_in: int, w_out: int, kernel: int, stride: int) -> nn.Sequential:
    """Return an overlapping patch embedding: convolution with bias, BatchNorm."""
    return nn.Sequential(nn.Conv2d(w_in, w_out, kernel, stride, kernel // 2), nn.BatchNorm2d(w_out))


class Branch(nn.Module):
    """One residual branch of a block: norm, body, per-channel layer scale, DropPath.

    `scale` is the first value of the layer scale, `drop_path` the rate of DropPath.
    """

    def __init__(self, dim: int, norm: nn.Module, body: nn.Module, scale: float, drop_path: float) -> None:
        super().__init__()
        self.norm = norm
        self.body = body
        self.scale = nn.Parameter(torch.full((dim, 1, 1), scale))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x plus the branch, same shape."""
        return x + self.drop_path(self.scale * self.body(self.norm(x)))


class GatedAttention(nn.Module):
    """1×1, GELU, gate, 1×1, plus a shortcut from the normed input (VAN, section 3.2)."""

    def __init__(self, dim: int, gate: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(dim, dim, 1), nn.GELU(), gate, nn.Conv2d(dim, dim, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the attended map, same shape."""
        return x + self.body(x)


def depthwise_mlp(dim: int, hidden: int) -> nn.Sequential:
    """Return the MLP with a 3×3 depthwise convolution before its GELU."""
    return nn.Sequential(nn.Conv2d(dim, hidden, 1), depthwise(hidden, 3), nn.GELU(), nn.Conv2d(hidden, dim, 1))


def block(dim: int, ratio: int, gate: nn.Module, drop_path: float) -> nn.Sequential:
    """Return a VAN block: the attention branch, then the MLP branch."""
    return nn.Sequential(
        Branch(dim, nn.BatchNorm2d(dim), GatedAttention(dim, gate), LAYER_SCALE, drop_path),
        Branch(dim, nn.BatchNorm2d(dim), depthwise_mlp(dim, ratio * dim), LAYER_SCALE, drop_path),
    )


class Pyramid(nn.Module):
    """Four stages of VAN blocks around `gate(dim)`, mean over positions, linear head.

    `drop_path` is the rate of DropPath at the last block.
    """

    def __init__(self, num_classes: int, stem: nn.Module, gate: Callable[[int], nn.Module], drop_path: float) -> None:
        super().__init__()
        rates = iter(drop_path_rates(drop_path, sum(DEPTHS)))
        stages: list[nn.Module] = []
        for index, (dim, depth, ratio) in enumerate(zip(DIMS, DEPTHS, RATIOS, strict=True)):
            stages.append(stem if index == 0 else conv_norm(DIMS[index - 1], dim, 3, 2))
            stages.extend(block(dim, ratio, gate(dim), next(rates)) for _ in range(depth))
            stages.append(LayerNorm2d(dim))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(DIMS[-1], num_classes)
        self.apply(fan_out_normal)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return N×num_classes logits for N×3×H×W images."""
        return self.head(self.stages(x).mean((2, 3)))
