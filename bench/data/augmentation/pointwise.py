"""Operations on pixel values, as Pillow rounds them, for batches of uint8 images N×H×W×3.

Blends (brightness, contrast, color, sharpness) are d + factor × (x - d) in float32, truncated, with a degenerate image
d; autocontrast and equalize are tables of 256 bytes for each channel; posterize and solarize are arithmetic on bytes.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Reduction = Callable[..., Tensor]

LUMA = (19595.0, 38470.0, 7471.0)  # ITU-R 601-2 weights in 65536ths
SMOOTH_CENTRE, SMOOTH_SUM = 5, 13  # the 3×3 kernel of sharpness: 1 around 5, over their sum


def luma(red: Tensor, green: Tensor, blue: Tensor) -> Tensor:
    """Return rounded grey values from float32 channels with whole values; every step is exact in float32."""
    weighted = (red * LUMA[0]).add_(green * LUMA[1]).add_(blue * LUMA[2])
    return weighted.add_(32768.0).mul_(1 / 65536).floor_()


def grey_mean(images: Tensor) -> Tensor:
    """Return the mean grey value (N), rounded to a whole number, of float32 images with whole values."""
    grey = luma(*images.unbind(-1)).flatten(1)
    pixels = grey.shape[1]
    # In integers, because a GPU would multiply by a rounded reciprocal and miss exact halves.
    return ((2 * grey.sum(1, dtype=torch.float64).long() + pixels) // (2 * pixels)).float()


def smooth(images: Tensor) -> Tensor:
    """Return the inside (float32, N×(H-2)×(W-2)×3) of uint8 images filtered by the kernel of sharpness, rounded."""
    values = images.to(torch.int16)
    triples = values[:, :-2] + values[:, 1:-1]
    triples += values[:, 2:]
    total = triples[:, :, :-2] + triples[:, :, 1:-1]
    total += triples[:, :, 2:]
    total.add_(values[:, 1:-1, 1:-1], alpha=SMOOTH_CENTRE - 1)
    # (total + 6.5) / 13 is never within 0.03 of a whole number, so a rounded reciprocal cannot change the floor.
    return total.float().add_(SMOOTH_SUM / 2).mul_(1 / SMOOTH_SUM).floor_()


def mix_(images: Tensor, degenerate: Tensor, factors: Tensor) -> Tensor:
    """Replace float32 images x in place by d + factor × (x - d), rounded after each step."""
    return images.sub_(degenerate).mul_(factors).add_(degenerate)


def truncate_(images: Tensor, values: Tensor) -> Tensor:
    """Fill uint8 images with float32 values, clipped to 0 … 255 and truncated."""
    # By way of int16, which a CPU converts to and from several times as fast as straight to uint8.
    return images.copy_(values.to(torch.int16).clamp_(0, 255))


def brightness_(images: Tensor, factors: Tensor) -> Tensor:
    """Blend images in place with black by `factors` (float32, N)."""
    return truncate_(images, images.float().mul_(factors.view(-1, 1, 1, 1)))


def contrast_(images: Tensor, factors: Tensor) -> Tensor:
    """Blend images in place with their mean grey value by `factors` (float32, N)."""
    values = images.float()
    return truncate_(images, mix_(values, grey_mean(values).view(-1, 1, 1, 1), factors.view(-1, 1, 1, 1)))


def color_(images: Tensor, factors: Tensor) -> Tensor:
    """Blend images in place with their grey versions by `factors` (float32, N); channel by channel in memory."""
    channels = images.permute(3, 0, 1, 2)
    values = channels.to(torch.float32, memory_format=torch.contiguous_format)
    mix_(values, luma(*values), factors.view(-1, 1, 1))
    for channel, value in zip(channels, values, strict=True):
        truncate_(channel, value)
    return images


def sharpness_(images: Tensor, factors: Tensor) -> Tensor:
    """Blend images in place with their smoothed versions by `factors` (float32, N); the border stays as it is."""
    values = images.float()
    mix_(values[:, 1:-1, 1:-1], smooth(images), factors.view(-1, 1, 1, 1))
    return truncate_(images, values)


def posterize_(images: Tensor, masks: Tensor) -> Tensor:
    """Clear in place each value's lower bits by its image's mask (uint8, N)."""
    return images.bitwise_and_(masks.view(-1, 1, 1, 1))


def solarize_(images: Tensor, thresholds: Tensor) -> Tensor:
    """Subtract in place values from the image's threshold (uint8, N) on from 255; a threshold of 0 inverts all."""
    above = torch.ge(images, thresholds.view(-1, 1, 1, 1), out=torch.empty_like(images))
    return images.bitwise_xor_(above.mul_(255))


def autocontrast_(images: Tensor) -> Tensor:
    """Stretch in place the range of each channel of each image to 0 … 255."""
    return apply_tables_(images, table_index(images), autocontrast_tables(images))


def equalize_(images: Tensor) -> Tensor:
    """Level in place the histogram of each channel of each image."""
    index = table_index(images)
    return apply_tables_(images, index, equalize_tables(index, len(images)))


def apply_tables_(images: Tensor, index: Tensor, tables: Tensor) -> Tensor:
    """Replace in place every value by its entry in N×3×256 uint8 tables, at the places that `table_index` gives."""
    torch.index_select(tables.view(-1), 0, index.view(-1), out=images.view(-1))
    return images


def table_index(images: Tensor) -> Tensor:
    """Return, for every value of N×H×W×3 images, its place in N×3×256 tables laid end to end (int32, N×HWC)."""
    number, height, width, channels = images.shape
    channel = torch.arange(0, channels * 256, 256, dtype=torch.int32, device=images.device).repeat(height * width)
    image = torch.arange(number, dtype=torch.int32, device=images.device).mul_(channels * 256)
    return images.view(number, height * width * channels).to(torch.int32).add_(channel).add_(image.unsqueeze(1))


def autocontrast_tables(images: Tensor) -> Tensor:
    """Return the tables (uint8, N×3×256) that stretch each channel's range to 0 … 255; one value alone stays."""
    low = _extreme(images, torch.minimum, torch.amin).double().unsqueeze(-1)
    high = _extreme(images, torch.maximum, torch.amax).double().unsqueeze(-1)
    values = torch.arange(256, dtype=torch.float64, device=images.device)
    # A tensor over a tensor: a number over a tensor would be rounded twice, as number × (1 / tensor).
    scale = torch.where(high > low, values[-1:] / (high - low), 1.0)
    offset = torch.where(high > low, -low * scale, 0.0)
    return (values * scale).add_(offset).clamp_(0.0, 255.0).to(torch.int16).to(torch.uint8)


def _extreme(images: Tensor, of_two: Reduction, of_all: Reduction) -> Tensor:
    """Return the least or greatest value of each channel (N×3), by halves as far as it goes: amin of bytes is slow."""
    number, height, width, channels = images.shape
    rows = images.view(number, height, width * channels)
    while rows.shape[1] % 2 == 0:
        rows = of_two(*rows.chunk(2, dim=1))
    return of_all(rows.reshape(number, -1, channels), 1)


def equalize_tables(index: Tensor, number: int, channels: int = 3) -> Tensor:
    """Return the tables (uint8, N×3×256) that level each channel's histogram, from the images' `table_index`.

    Numbers of pixels stay exact in float32 up to 2^24, and so does the floor of their quotients.
    """
    ones = torch.ones((), dtype=torch.int32, device=index.device).expand(index.numel())
    counts = torch.zeros(number * channels * 256, dtype=torch.int32, device=index.device)
    counts = counts.index_add_(0, index.view(-1), ones).view(number, channels, 256)
    values = torch.arange(256, dtype=torch.int32, device=index.device)
    highest = counts.clamp(max=1).mul_(values).amax(-1, keepdim=True).long()
    upto = counts.cumsum(-1, dtype=torch.int32)
    step = (upto[..., -1:] - counts.gather(-1, highest)) // 255
    levelled = upto.sub_(counts).add_(step // 2).float().div_(step).clamp_(max=255.0)
    return torch.where(step > 0, levelled, values.float()).to(torch.int16).to(torch.uint8)
