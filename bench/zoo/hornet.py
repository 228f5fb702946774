"""HorNet-T with 7×7 gnConv (Rao et al., HorNet, NeurIPS 2022).

| | HorNet-T 7×7 (paper: section 3, figure 2) | `hornet_tiny` |
|---|---|---|
| dims | C·(1, 2, 4, 8), C = 64 | the same |
| depths | 2, 3, 18, 2 | the same |
| orders | 2, 3, 4, 5 | the same |
| gnConv dims | dim/2ⁿ⁻¹, …, dim/2, dim | `order_dims` |
| depthwise kernel | 7×7 on all orders at once, divided by 3 | the same |
| block | LN → gnConv, LN → MLP ×4 GELU, layer scale 1e-6 and DropPath on each | the same |
| DropPath | linear, 0 to 0.2 (size T) | the same; option `drop_path` |
| stem | 4×4, stride 4, LN | `stem="imagenet"` |
| 32 px stem | none in the paper | `stem="cifar"`: 2×2, stride 2, LN |
| between stages | LN, 2×2, stride 2 | the same |
| head | mean over positions, LN, linear | the same |

ImageNet parameters with 1000 classes: 22.4 M, 4.0 G multiply-accumulates at 224 px (paper, table 1). With
`stem="cifar"` the stages see 16, 8, 4 and 2 px: a twelfth of the paper's cost, and the 18 blocks of stage 3 still have
a map to mix. Initialisation as in the authors' code: `truncated_normal`.

The deck claims 4.63 M parameters for its `hornet_tiny` and shows no run; this definition has nearly five times as many.
"""

import torch
from timm.layers import LayerNorm2d
from torch import nn

from bench.util.errors import check_known
from bench.zoo.improved import drop_path_rates
from bench.zoo.initialise import truncated_normal
from bench.zoo.van import Branch, depthwise

DIMS = (64, 128, 256, 512)
DEPTHS = (2, 3, 18, 2)
ORDERS = (2, 3, 4, 5)
KERNEL = 7
GATE_SCALE = 1 / 3
LAYER_SCALE = 1e-6
# Kernel and stride of the patch convolution.
PATCH = {"cifar": 2, "imagenet": 4}


def order_dims(dim: int, order: int) -> list[int]:
    """Return the widths of a gnConv's orders, halved from `dim` and rising: dim/2^(order−1), …, dim (section 3.1)."""
    return [dim // 2**power for power in reversed(range(order))]


class GnConv(nn.Module):
    """Recursive gated convolution of a given order (section 3.1): x ← project(x) ⊙ depthwise(q), repeated.

    The projection in yields 2·dim channels: the first x, and one gate q for each order; 1×1 convolutions widen x
    between the orders.
    """

    def __init__(self, dim: int, order: int) -> None:
        super().__init__()
        self.dims = order_dims(dim, order)
        self.project_in = nn.Conv2d(dim, 2 * dim, 1)
        self.depthwise = depthwise(sum(self.dims), KERNEL)
        self.widen = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(self.dims[:-1], self.dims[1:], strict=True))
        self.project_out = nn.Conv2d(dim, dim, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mixed N×dim×H×W map."""
        x, gates = self.project_in(x).split([self.dims[0], sum(self.dims)], dim=1)
        first, *others = (self.depthwise(gates) * GATE_SCALE).split(self.dims, dim=1)
        x = x * first
        for widen, gate in zip(self.widen, others, strict=True):
            x = widen(x) * gate
        return self.project_out(x)


def pointwise_mlp(dim: int) -> nn.Sequential:
    """Return the block's MLP as 1×1 convolutions: dim → 4·dim, GELU, → dim."""
    return nn.Sequential(nn.Conv2d(dim, 4 * dim, 1), nn.GELU(), nn.Conv2d(4 * dim, dim, 1))


def block(dim: int, order: int, drop_path: float) -> nn.Sequential:
    """Return a HorNet block: the gnConv branch, then the MLP branch (figure 2)."""
    return nn.Sequential(
        Branch(dim, LayerNorm2d(dim), GnConv(dim, order), LAYER_SCALE, drop_path),
        Branch(dim, LayerNorm2d(dim), pointwise_mlp(dim), LAYER_SCALE, drop_path),
    )


class HorNet(nn.Module):
    """Patch stem, four stages of HorNet blocks, mean over positions, LayerNorm, linear head.

    `patch` is the kernel and stride of the stem, `drop_path` the rate of DropPath at the last block.
    """

    def __init__(self, num_classes: int, patch: int, drop_path: float) -> None:
        super().__init__()
        rates = iter(drop_path_rates(drop_path, sum(DEPTHS)))
        stages: list[nn.Module] = [nn.Conv2d(3, DIMS[0], patch, patch), LayerNorm2d(DIMS[0])]
        for index, (dim, depth, order) in enumerate(zip(DIMS, DEPTHS, ORDERS, strict=True)):
            if index > 0:
                stages += [LayerNorm2d(DIMS[index - 1]), nn.Conv2d(DIMS[index - 1], dim, 2, 2)]
            stages += [block(dim, order, next(rates)) for _ in range(depth)]
        self.stages = nn.Sequential(*stages)
        self.norm = nn.LayerNorm(DIMS[-1], eps=1e-6)
        self.head = nn.Linear(DIMS[-1], num_classes)
        self.apply(truncated_normal)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return N×num_classes logits for N×3×H×W images."""
        return self.head(self.norm(self.stages(x).mean((2, 3))))


def hornet_tiny(num_classes: int, stem: str = "cifar", drop_path: float = 0.2) -> nn.Module:
    """Build HorNet-T 7×7; raises BadInput for a stem other than "cifar" and "imagenet"."""
    check_known("stem", stem, PATCH)
    return HorNet(num_classes, PATCH[stem], drop_path)
