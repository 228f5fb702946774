"""`bench/train.py` with a toy model in the zoo, a parameter of which takes no part in the loss."""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn


class Toy(nn.Module):
    """A convolution, a norm and a linear layer, and a bias that nothing reads."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, num_classes)
        self.forgotten = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(x)).relu().mean((2, 3)))


def run() -> int:
    """Train the toy."""
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    from bench.engines.stopping import ignore_sigterm
    from bench.train import main
    from bench.util.cli import run_command
    from bench.zoo.models import MODELS, Model

    MODELS["toy"] = Model(Toy, "toy", "toy", "this test")
    return ignore_sigterm(run_command(main))


if __name__ == "__main__":
    sys.exit(run())
