"""The model zoo as one dict: name → builder, family, technique, source; without torch, so that tables can read it.

A builder is a function `builder(num_classes: int, **options) -> torch.nn.Module` in a family's file, written here as
"module:function" below `bench.zoo` (a callable is accepted too); `bench.zoo.build.build_model` resolves and calls it.
One whose network depends on the size of the images has a parameter `image`, their shape (C, H, W).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from bench.util.errors import check_known

TIMM_PREFIX = "timm/"
NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


class Stated(NamedTuple):
    """The figures that are stated for a network, of a 3×32×32 image and 100 classes; None where there is none."""

    params: int | None
    mmacs: float | None


UNSTATED = Stated(None, None)


@dataclass(frozen=True)
class Model:
    """One row of the zoo: all that is known of a model before it is built.

    `variant_of` names the network, published or of the zoo, that the row changes in a way that no paper has, and `note`
    says how; an `arm` is there for an ablation alone, and left out where the models of a technique are averaged;
    `stated` are the figures that counting must meet; `still` is a pattern of the parameters that never have a gradient
    other than zero, with the reason in the note.
    """

    builder: str | Callable[..., Any]
    family: str
    technique: str
    source: str
    options: Mapping[str, Any] = field(default_factory=lambda: NO_OPTIONS)
    deck: bool = True
    own_design: bool = False
    arm: bool = False
    note: str = ""
    variant_of: str = ""
    stated: Stated = UNSTATED
    still: str = ""


RESNET = "He et al., CVPR 2016, section 4.2"
ECA = "Wang et al., ECA-Net, CVPR 2020"
GHOST = "Han et al., GhostNet, CVPR 2020"
CONVNEXT = "Liu et al., ConvNeXt, CVPR 2022"
MIXER = "Tolstikhin et al., MLP-Mixer, NeurIPS 2021"
COATNET = "Dai et al., CoAtNet, NeurIPS 2021"
SEGNEXT = "Guo et al., SegNeXt, NeurIPS 2022"
DECK = "the deck's own design"


def _resnet(blocks: int, **row: Any) -> Model:
    """Return the row of a CIFAR ResNet with `blocks` basic blocks a stage; `row` are more of its fields."""
    return Model("resnet:cifar_resnet", "resnet", "basic_resnet", RESNET, {"blocks": blocks}, **row)


def _eca(blocks: int, kernel: int | str, position: int = 2, **row: Any) -> Model:
    """Return the row of an ECA-ResNet: kernel size (or "adaptive") and place of the attention in the block."""
    options = {"blocks": blocks, "kernel": kernel, "position": position}
    return Model("eca:eca_resnet", "eca_resnet", "attention", ECA, options, **row)


def _ghost(blocks: int, ratio: int = 2, **row: Any) -> Model:
    """Return the row of a ResNet whose 3×3 convolutions are Ghost modules."""
    return Model("ghost:ghost_resnet", "ghost_resnet", "lightweight", GHOST, {"blocks": blocks, "ratio": ratio}, **row)


def _improved(options: Mapping[str, Any] = NO_OPTIONS, **row: Any) -> Model:
    """Return the row of the deck's ConvNeXt-like ResNet-20 or one of its ablations."""
    name = "improved_resnet20_convnext"
    return Model(f"improved:{name}", name, "modern_convolution", DECK, options, own_design=True, **row)


def _improved_arm(options: Mapping[str, Any], note: str, stated: Stated) -> Model:
    """Return the row of an arm of the ablation of `improved_resnet20_convnext`."""
    return _improved(options, arm=True, note=note, variant_of="improved_resnet20_convnext", stated=stated)


def _coatnet(builder: str, options: Mapping[str, Any] = NO_OPTIONS, **row: Any) -> Model:
    """Return the row of a CoAtNet variant of the deck."""
    return Model(f"coatnet:{builder}", "coatnet", "hybrid_and_advanced", COATNET, options, **row)


def _own_coatnet(variant_of: str, note: str, stated: Stated, **options: Any) -> Model:
    """Return the row of a CoAtNet for CIFAR, the deck's own design."""
    row = {"own_design": True, "note": note, "variant_of": variant_of, "stated": stated}
    return _coatnet("coatnet_cifar_opt", options, **row)


def _timm(name: str, family: str, technique: str, source: str, **row: Any) -> Model:
    """Return the row of a timm model, with timm's own name among the options."""
    return Model("timm_models:timm_model", family, technique, source, {"timm_name": name}, **row)


MODELS: dict[str, Model] = {
    "resnet_20": _resnet(3, stated=Stated(278_324, 40.82)),
    "resnet_32": _resnet(5, stated=Stated(472_756, 69.13)),
    "resnet_56": _resnet(9, stated=Stated(861_620, 125.75)),
    "resnet20_no_eca": _resnet(
        3, arm=True, note="alias of resnet_20 in the deck's ablations", stated=Stated(278_324, 40.82)
    ),
    "eca_resnet_20": _eca(3, 3, stated=Stated(278_351, 40.82)),
    "eca_resnet_32": _eca(5, 5, stated=Stated(472_831, 69.13)),
    "ecanet20_adaptive": _eca(
        3, "adaptive", note="kernel from the channel count: 3 at every width here", stated=Stated(278_351, 40.82)
    ),
    "ecanet20_fixed_k3": _eca(3, 3, stated=Stated(278_351, 40.82)),
    "ecanet20_fixed_k5": _eca(3, 5, stated=Stated(278_369, 40.82)),
    "ecanet20_fixed_k7": _eca(3, 7, stated=Stated(278_387, 40.82)),
    "ecanet20_fixed_k9": _eca(3, 9, stated=Stated(278_405, 40.82)),
    "eca_resnet20_pos1": _eca(3, 3, position=1, arm=True, stated=Stated(278_351, 40.82)),
    "eca_resnet20_pos3": _eca(3, 3, position=3, arm=True, stated=Stated(278_351, 40.82)),
    "ghost_resnet_20": _ghost(3, stated=Stated(149_060, 21.54)),
    "ghost_resnet_32": _ghost(5, stated=Stated(249_636, 36.21)),
    "ghostnet_100": _timm("ghostnet_100", "ghostnet", "lightweight", GHOST, stated=Stated(4_029_608, 5.65)),
    "improved_resnet20_convnext": _improved(stated=Stated(174_868, 34.19)),
    "improved_resnet20_convnext_no_droppath": _improved_arm({"drop_path": 0.0}, "DropPath 0", Stated(174_868, 34.19)),
    "improved_resnet20_convnext_std_conv": _improved_arm(
        {"depthwise": False}, "dense 3×3 on the expanded channels", Stated(1_887_892, 301.65)
    ),
    "improved_resnet20_convnext_no_inverted": _improved_arm({"inverted": False}, "no expansion", Stated(38_644, 6.72)),
    "convnext_tiny": _timm(
        "convnext_tiny", "convnext", "modern_convolution", CONVNEXT, stated=Stated(27_897_028, 90.99)
    ),
    "resnest50d": _timm(
        "resnest50d",
        "resnest",
        "hybrid_and_advanced",
        "Zhang et al., ResNeSt, CVPRW 2022",
        stated=Stated(25_639_140, 111.63),
    ),
    "cspresnet50": _timm(
        "cspresnet50",
        "cspnet",
        "hybrid_and_advanced",
        "Wang et al., CSPNet, CVPRW 2020",
        stated=Stated(20_693_668, 70.67),
    ),
    "mlp_mixer_tiny": Model(
        "mixer:mlp_mixer", "mlp_mixer", "mlp", MIXER, {"dim": 128}, stated=Stated(1_341_924, 101.07)
    ),
    "mlp_mixer_b16": Model(
        "mixer:mlp_mixer",
        "mlp_mixer",
        "mlp",
        MIXER,
        {"dim": 512},
        note="its patch is 4",
        variant_of="Mixer-B/16",
        stated=Stated(17_948_772, 1612.24),
    ),
    "coatnet_0": _coatnet(
        "coatnet_0", note="the deck's CoAtNet-0", variant_of="CoAtNet-0", stated=Stated(26_312_964, 328.99)
    ),
    "coatnet_0_custom_enhanced": _coatnet(
        "coatnet_0",
        {"lsk": True},
        note="LSK-MBConv in S0 and S1",
        variant_of="coatnet_0",
        stated=Stated(26_574_852, 341.89),
    ),
    "coatnet_cifar_opt": _own_coatnet("coatnet_0", "ECA in place of squeeze-excite", Stated(27_008_486, 136.24)),
    "coatnet_cifar_opt_large_stem": _own_coatnet(
        "coatnet_cifar_opt", "5×5 depthwise stem", Stated(27_010_534, 137.41), large_stem=True
    ),
    "segnext_mscan_tiny": Model(
        "mscan:deck_mscan",
        "mscan",
        "attention",
        SEGNEXT,
        note="the deck's variant",
        variant_of="mscan_tiny",
        stated=Stated(3_359_556, 49.8),
    ),
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
        still=r"stages\.3\.blocks\..*relative_position_bias_table",  # a softmax over one score ignores its bias
        stated=Stated(26_681_254, 86.72),
    ),
    "resnet_18": Model(
        "resnet:resnet_18", "resnet", "basic_resnet", RESNET, deck=False, note="3×3 stem", variant_of="ResNet-18"
    ),
    "vit_tiny_cifar": Model(
        "vit:vit",
        "vit",
        "transformer",
        "Dosovitskiy et al., ViT, ICLR 2021; Touvron et al., DeiT, ICML 2021",
        {"dim": 192, "depth": 12, "heads": 3, "patch": 4},
        deck=False,
        note="its patch is 4",
        variant_of="DeiT-Ti/16",
        stated=Stated(5_380_132, 365.12),
    ),
    "speed_75": Model(
        "pooled:speed_75",
        "speed_75",
        "modern_convolution",
        "public CIFAR-100 speed runs, 2026",
        deck=False,
        stated=Stated(8_608_288, 174.98),
    ),
    "speed_resnet": Model(
        "speed_resnet:speed_resnet",
        "speed_resnet",
        "basic_resnet",
        "public CIFAR speed runs",
        deck=False,
        stated=Stated(None, 421.0),
    ),
}


def find_model(name: str) -> Model:
    """Return the registry row of a name, one made up for any `timm/<name>`.

    Raises BadInput with the nearest name when there is none; a timm name is checked when the model is built.
    """
    if name.startswith(TIMM_PREFIX):
        return _timm(name.removeprefix(TIMM_PREFIX), "timm", "timm", "timm", deck=False)
    check_known("model", name, MODELS)
    return MODELS[name]
