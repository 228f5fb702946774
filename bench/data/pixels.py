"""One image file as pixels of a given size, by one rule for all kinds of files.

The first frame, turned as its EXIF says; 16 bits a value become their upper 8; any mode becomes RGB as PIL makes it,
without the colours' transparency; the shorter side becomes the given size by PIL's antialiased bilinear filter, and the
middle square is kept. But for the EXIF turn and the 16 bits these are the pixels of torchvision's `Resize(size)` and
`CenterCrop(size)`.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from bench.data.layout import Images

SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N", "I")
BYTES = 256
# A strip of one pixel would become as long as memory allows.
LONGEST = 100


class Broken(Exception):
    """Say why a file is no image that can be used."""


def read_image(path: Path, size: int) -> Images:
    """Return an image file as uint8 size×size×3; raise Broken for one that cannot be decoded in full."""
    try:
        if not path.is_file():
            raise Broken("it is no file")
        with Image.open(path) as image:
            return crop(to_rgb(image), size)
    except Broken:
        raise
    # Decoders raise whatever their file format makes them: OSError, ValueError, SyntaxError, struct.error, zlib.error.
    except Exception as error:
        raise Broken(" ".join(str(error).replace(str(path), path.name).split()) or type(error).__name__) from None


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an image upright, in RGB with 8 bits a value; raise Broken for values without a known range."""
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "F":
        raise Broken("it holds floating-point values, whose range is unknown")
    if upright.mode in SIXTEEN_BITS:
        values = np.asarray(upright).astype(np.int64).clip(0, BYTES**2 - 1) // BYTES
        upright = Image.fromarray(values.astype(np.uint8))
    return upright.convert("RGB")


def crop(image: Image.Image, size: int) -> Images:
    """Return the middle square of an image whose shorter side is resized to `size`, as uint8 size×size×3.

    Raises Broken for a strip.
    """
    width, height = image.size
    short = min(width, height)
    if max(width, height) > LONGEST * short:
        raise Broken(f"one side is more than {LONGEST} times the other ({width}×{height} pixels)")
    resized = image.resize((size * width // short, size * height // short), Image.Resampling.BILINEAR)
    left, top = (round((side - size) / 2) for side in resized.size)
    return np.asarray(resized.crop((left, top, left + size, top + size)))
