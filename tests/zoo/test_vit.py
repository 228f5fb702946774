"""The Vision Transformer is timm's network of DeiT-Ti's size, and its attention is counted."""

import pytest
import timm
import torch
from timm.layers import set_fused_attn
from torch.utils.flop_counter import FlopCounterMode

from bench.util.errors import BadInput
from bench.zoo.build import build_model
from bench.zoo.counting.cost import count_cost
from bench.zoo.counting.fingerprint import fingerprint
from bench.zoo.counting.golden import read_golden
from bench.zoo.sizes import SizeError
from bench.zoo.vit import vit

NAME = "vit_tiny_cifar"
IMAGE = (3, 32, 32)
DIM, DEPTH, TOKENS = 192, 12, 65


def theirs() -> torch.nn.Module:
    return timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=4, num_classes=100)


def test_it_is_timms_with_a_patch_of_four() -> None:
    ours, reference = build_model(NAME, 100), theirs()
    assert fingerprint(ours) == fingerprint(reference) == read_golden()[NAME].fingerprint
    assert read_golden()[NAME].params == sum(parameter.numel() for parameter in reference.parameters())
    reference.load_state_dict(ours.state_dict())
    images = torch.randn(2, *IMAGE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(images), reference.eval()(images))


def test_attention_is_counted_as_without_its_fused_kernel() -> None:
    """By the closed form, and by torch's counter alone on timm's network with its attention in plain products."""
    block = TOKENS * DIM * (3 + 1 + 4 + 4) * DIM + 2 * TOKENS * TOKENS * DIM
    wanted = 64 * 48 * DIM + DEPTH * block + DIM * 100
    assert count_cost(build_model(NAME, 100)).macs == read_golden()[NAME].macs == wanted
    set_fused_attn(False)
    try:
        plain = theirs().eval()
    finally:
        set_fused_attn(True)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        plain(torch.zeros(1, *IMAGE))
    assert counter.get_total_flops() == 2 * wanted


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"dim": 190}, "a multiple of the 3 heads"), ({"depth": 0}, "'depth'"), ({"heads": 0}, "'heads'")],
)
def test_options_that_cannot_be_are_refused(changes: dict[str, int], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        vit(10, IMAGE, **{"dim": 192, "depth": 1, "heads": 3, "patch": 4, **changes})


def test_images_that_the_patches_do_not_cover_are_refused() -> None:
    with pytest.raises(SizeError, match="patches of 4×4 pixels, which do not cover 30×32"):
        vit(10, (3, 30, 32), dim=24, depth=1, heads=3, patch=4)
