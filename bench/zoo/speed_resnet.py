"""The small wide ResNet of the public CIFAR-100 speed runs: 2.80 M parameters, 421 M multiply-accumulates."""

from torch import nn

from bench.zoo.blocks import ResidualNet, stage_plan
from bench.zoo.resnet import BasicBlock


def speed_resnet(num_classes: int) -> nn.Module:
    """Return a ResNet of three stages, widths 64, 128, 256, two basic blocks each, after a 3×3 stem at stride 1."""
    widths = (64, 128, 256)
    layers = [BasicBlock(*step) for step in stage_plan(widths, 2)]
    return ResidualNet(layers, widths[0], widths[-1], num_classes)
