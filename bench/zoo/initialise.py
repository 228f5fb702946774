"""Weight initialisation of the families written here; each function is passed to `Module.apply`.

Norms and layer scales keep what their constructors set (weight 1, bias 0; a layer scale its stated constant).
"""

import math

from torch import nn

LINEAR_STD = 0.02
# A normal truncated at ±2 standard deviations has this standard deviation; dividing by it restores the wanted variance.
TRUNCATED_STD = 0.87962566103423978


def zero_bias(module: nn.Module) -> None:
    """Set the bias of a convolution or linear layer to zero, if it has one."""
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


def fan_out_normal(module: nn.Module) -> None:
    """Draw convolutions from N(0, 2/fan-out per group) and linear layers from a truncated N(0, 0.02²); zero the biases.

    Source: He et al., ICCV 2015, with the fan-out counted per group as EfficientNet (Tan and Le, ICML 2019), VAN
    (Guo et al., 2022) and the networks built on it do; linear layers as in ViT (Dosovitskiy et al., ICLR 2021).
    """
    if isinstance(module, nn.Conv2d):
        fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2.0 / fan_out))
    elif isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=LINEAR_STD)
    zero_bias(module)


def truncated_normal(module: nn.Module) -> None:
    """Draw convolutions and linear layers from N(0, 0.02²) truncated at ±2; zero the biases (ConvNeXt, HorNet)."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.trunc_normal_(module.weight, std=LINEAR_STD)
    zero_bias(module)


def lecun_normal(module: nn.Module) -> None:
    """Draw convolutions and linear layers from a truncated N(0, 1/fan-in); zero the biases.

    Source: LeCun et al., Efficient BackProp, 1998; the default of the library MLP-Mixer was written in.
    """
    if isinstance(module, nn.Conv2d | nn.Linear):
        std = math.sqrt(1.0 / module.weight[0].numel()) / TRUNCATED_STD
        nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
    zero_bias(module)
