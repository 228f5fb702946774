"""The model zoo as one dict: name → builder, family, technique, source; without torch, so that tables can read it.

A builder is a function `builder(num_classes: int, **options) -> torch.nn.Module` in a family's file, written here as
"module:function" below `bench.zoo` (a callable is accepted too); `bench.zoo.build.build_model` resolves and calls it.
One whose network depends on the size of the images has a parameter `image`, their shape (C, H, W).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from bench.util.errors import unknown

TIMM_PREFIX = "timm/"


@dataclass(frozen=True)
class Model:
    """One row of the zoo."""

    builder: str | Callable[..., Any]
    family: str
    technique: str
    source: str
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    deck: bool = True
    own_design: bool = False
    note: str = ""


RESNET = "He et al., CVPR 2016, section 4.2"
ECA = "Wang et al., ECA-Net, CVPR 2020"
GHOST = "Han et al., GhostNet, CVPR 2020"
CONVNEXT = "Liu et al., ConvNeXt, CVPR 2022"
MIXER = "Tolstikhin et al., MLP-Mixer, NeurIPS 2021"
COATNET = "Dai et al., CoAtNet, NeurIPS 2021"
SEGNEXT = "Guo et al., SegNeXt, NeurIPS 2022"
DECK = "the deck's own design"


def _resnet(blocks: int, note: str = "") -> Model:
    """Return the row of a CIFAR ResNet with `blocks` basic blocks a stage."""
    return Model("resnet:cifar_resnet", "resnet", "basic_resnet", RESNET, {"blocks": blocks}, note=note)


def _eca(blocks: int, kernel: int | str, position: int = 2, note: str = "") -> Model:
    """Return the row of an ECA-ResNet: kernel size (or "adaptive") and place of the attention in the block."""
    options = {"blocks": blocks, "kernel": kernel, "position": position}
    return Model("eca:eca_resnet", "eca_resnet", "attention", ECA, options, note=note)


def _ghost(blocks: int, ratio: int = 2) -> Model:
    """Return the row of a ResNet whose 3×3 convolutions are Ghost modules."""
    return Model("ghost:ghost_resnet", "ghost_resnet", "lightweight", GHOST, {"blocks": blocks, "ratio": ratio})


def _improved(note: str = "", **options: Any) -> Model:
    """Return the row of the deck's ConvNeXt-like ResNet-20 or one of its ablations."""
    return Model(
        "improved:improved_resnet20_convnext",
        "improved_resnet20_convnext",
        "modern_convolution",
        DECK,
        options,
        own_design=True,
        note=note,
    )


def _coatnet(builder: str, note: str, own_design: bool = False, **options: Any) -> Model:
    """Return the row of a CoAtNet variant of the deck."""
    return Model(
        f"coatnet:{builder}", "coatnet", "hybrid_and_advanced", COATNET, options, own_design=own_design, note=note
    )


def _timm(
    name: str, family: str, technique: str, source: str, *, deck: bool = True, note: str = "", **options: Any
) -> Model:
    """Return the row of a timm model, with timm's own name among the options."""
    chosen = {"timm_name": name, **options}
    return Model("timm_models:timm_model", family, technique, source, chosen, deck=deck, note=note)


MODELS: dict[str, Model] = {
    "resnet_20": _resnet(3),
    "resnet_32": _resnet(5),
    "resnet_56": _resnet(9),
    "resnet20_no_eca": _resnet(3, note="alias of resnet_20 in the deck's ablations"),
    "eca_resnet_20": _eca(3, 3),
    "eca_resnet_32": _eca(5, 5),
    "ecanet20_adaptive": _eca(3, "adaptive", note="kernel from the channel count: 3 at every width here"),
    "ecanet20_fixed_k3": _eca(3, 3),
    "ecanet20_fixed_k5": _eca(3, 5),
    "ecanet20_fixed_k7": _eca(3, 7),
    "ecanet20_fixed_k9": _eca(3, 9),
    "eca_resnet20_pos1": _eca(3, 3, position=1),
    "eca_resnet20_pos3": _eca(3, 3, position=3),
    "ghost_resnet_20": _ghost(3),
    "ghost_resnet_32": _ghost(5),
    "ghostnet_100": _timm("ghostnet_100", "ghostnet", "lightweight", GHOST),
    "improved_resnet20_convnext": _improved(),
    "improved_resnet20_convnext_no_droppath": _improved(drop_path=0.0, note="DropPath 0"),
    "improved_resnet20_convnext_std_conv": _improved(depthwise=False, note="dense 3×3 on the expanded channels"),
    "improved_resnet20_convnext_no_inverted": _improved(inverted=False, note="no expansion"),
    "convnext_tiny": _timm("convnext_tiny", "convnext", "modern_convolution", CONVNEXT),
    "resnest50d": _timm("resnest50d", "resnest", "hybrid_and_advanced", "Zhang et al., ResNeSt, CVPRW 2022"),
    "cspresnet50": _timm("cspresnet50", "cspnet", "hybrid_and_advanced", "Wang et al., CSPNet, CVPRW 2020"),
    "mlp_mixer_tiny": Model("mixer:mlp_mixer", "mlp_mixer", "mlp", MIXER, {"dim": 128}),
    "mlp_mixer_b16": Model("mixer:mlp_mixer", "mlp_mixer", "mlp", MIXER, {"dim": 512}, note="its patch is 4"),
    "coatnet_0": _coatnet("coatnet_0", "the deck's CoAtNet-0"),
    "coatnet_0_custom_enhanced": _coatnet("coatnet_0", "LSK-MBConv in S0 and S1", lsk=True),
    "coatnet_cifar_opt": _coatnet("coatnet_cifar_opt", "ECA in place of squeeze-excite", own_design=True),
    "coatnet_cifar_opt_large_stem": _coatnet(
        "coatnet_cifar_opt", "5×5 depthwise stem", own_design=True, large_stem=True
    ),
    "segnext_mscan_tiny": Model("mscan:deck_mscan", "mscan", "attention", SEGNEXT, note="the deck's variant"),
    "hornet_tiny": Model("hornet:hornet_tiny", "hornet", "modern_convolution", "Rao et al., HorNet, NeurIPS 2022"),
    "lsknet_tiny": Model(
        "lsknet:lsknet_tiny", "lsknet", "modern_convolution", "Li et al., LSKNet, ICCV 2023", deck=False
    ),
    "mscan_tiny": Model("mscan:mscan_tiny", "mscan", "modern_convolution", SEGNEXT, deck=False, note="MSCAN-T"),
    "coatnet_0_rw": _timm(
        "coatnet_0_rw_224",
        "coatnet",
        "hybrid_and_advanced",
        COATNET,
        deck=False,
        note="with timm's own stem its last stage attends over one token",
    ),
    "resnet_18": Model("resnet:resnet_18", "resnet", "basic_resnet", RESNET, deck=False, note="3×3 stem"),
    "speed_75": Model(
        "pooled:speed_75", "speed_75", "modern_convolution", "public CIFAR-100 speed runs, 2026", deck=False
    ),
    "speed_resnet": Model(
        "speed_resnet:speed_resnet", "speed_resnet", "basic_resnet", "public CIFAR speed runs", deck=False
    ),
}


def find_model(name: str) -> Model:
    """Return the registry row of a name, one made up for any `timm/<name>`.

    Raises BadInput with the nearest name when there is none; a timm name is checked when the model is built.
    """
    if name.startswith(TIMM_PREFIX):
        return _timm(name.removeprefix(TIMM_PREFIX), "timm", "timm", "timm", deck=False)
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return MODELS[name]
