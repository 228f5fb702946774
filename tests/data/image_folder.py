"""A folder of images of mixed sizes, modes and formats, some of them broken, drawn by code.

python -m tests.data.image_folder DIR 20000
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

# Mode → the endings of the formats that hold it.
KINDS = (
    ("RGB", ".jpg"),
    ("RGB", ".png"),
    ("L", ".jpg"),
    ("CMYK", ".jpg"),
    ("RGBA", ".png"),
    ("P", ".png"),
    ("I;16", ".png"),
    ("LA", ".png"),
    ("RGB", ".webp"),
    ("1", ".png"),
    ("RGB", ".bmp"),
    ("P", ".gif"),
    ("L", ".tiff"),
)
ORIENTATION = 0x0112
CLASSES = 20
# Of so many files one is broken, in a way that the next ones are not.
ONE_BROKEN_IN = 100


def draw(number: int) -> Image.Image:
    """Return an image of its own size and mode: a smooth pattern with some noise."""
    generator = np.random.default_rng(number)
    height, width = generator.integers(20, 180, 2)
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(rows * generator.uniform(0.02, 0.4) + columns * generator.uniform(0.02, 0.4)) for _ in range(3)]
    noise = generator.normal(0, 8, (height, width, 3))
    pixels = (128 + 100 * np.stack(waves, axis=2) + noise).clip(0, 255).astype(np.uint8)
    mode, _ = KINDS[number % len(KINDS)]
    if mode == "I;16":
        return Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    return Image.fromarray(pixels).convert(mode)


def write(path: Path, number: int) -> None:
    """Write an image; some JPEG files lie on their side and say so."""
    image = draw(number)
    exif = Image.Exif()
    if path.suffix == ".jpg" and number % 5 == 0:
        exif[ORIENTATION] = 6
    image.save(path, exif=exif) if path.suffix == ".jpg" else image.save(path)


def spoil(path: Path, number: int) -> None:
    """Break a file: cut it, empty it, or put something else in its place."""
    content = path.read_bytes()
    path.write_bytes((content[: len(content) // 3], b"", b"<html>not found</html>", content[:10])[number % 4])


def write_folder(folder: Path, images: int, one_broken_in: int = ONE_BROKEN_IN) -> list[Path]:
    """Write so many images into CLASSES sub-folders; return the paths of those that are broken."""
    broken = []
    for number in range(images):
        _, suffix = KINDS[number % len(KINDS)]
        path = folder / f"class {number % CLASSES:02d}" / f"{number:06d}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, number)
        if number % one_broken_in == one_broken_in // 2:
            spoil(path, number // one_broken_in)
            broken.append(path)
    return broken


if __name__ == "__main__":
    print(f"{len(write_folder(Path(sys.argv[1]), int(sys.argv[2])))} broken files")
