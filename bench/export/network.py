"""The network that is exported, images to check it on, and the lines that all formats print."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bench.engines.evaluated import build_network, load_weights
from bench.evaluate.subset import choose
from bench.evaluate.trained import BATCH, Trained

SAMPLE = 64
# How far logits may differ that another program computes of the same images.
RELATIVE, ABSOLUTE = 1e-3, 1e-3


def plain_network(trained: Trained) -> nn.Module:
    """Return the network in float32 on the CPU, of plain modules, in evaluation mode."""
    network = build_network(trained.spec, trained.dataset, "cpu")
    load_weights(network, trained.checkpoint.content)
    return network.get_submodule("module").float().eval()


def sample(trained: Trained, number: int = SAMPLE) -> Tensor:
    """Return some images of the split, chosen by a key, normalised, on the CPU; all where there are fewer."""
    rows = choose(len(trained.dataset.evaluation), number)
    return trained.normalise(trained.dataset.evaluation.images[rows.numpy()]).cpu().contiguous()


@torch.no_grad()
def logits_of(network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return the logits of images, by batches."""
    return torch.cat([network(part) for part in images.split(BATCH)])


def alike(found: Tensor, expected: Tensor) -> bool:
    """Tell whether two programs computed the same logits, but for rounding, and so the same classes."""
    top = expected.topk(2, dim=1)
    settled = top.values[:, 0] - top.values[:, 1] > ABSOLUTE
    same = bool((found.argmax(dim=1) == top.indices[:, 0])[settled].all())
    return same and torch.allclose(found, expected, rtol=RELATIVE, atol=ABSOLUTE * float(expected.abs().max()))


def constants(trained: Trained) -> str:
    """Return mean and standard deviation as they stand in printed lines."""
    return f"{tuple(trained.dataset.mean)}, {tuple(trained.dataset.std)}"


def remark(trained: Trained, kind: str) -> str:
    """Return the remark of a printed line on the images that it takes."""
    _, height, width = trained.dataset.image
    return f"# images: uint8 {kind} N×{height}×{width}×3, RGB"


def use(trained: Trained) -> list[str]:
    """Return the lines that classify images with a network of PyTorch."""
    return [
        f"mean, std = (torch.tensor(v).view(3, 1, 1) for v in ({constants(trained)}))",
        f"logits = network((images.permute(0, 3, 1, 2) / 255 - mean) / std)  {remark(trained, 'tensor')}",
    ]
