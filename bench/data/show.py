"""Draw a contact sheet: training images beside what the augmentation of a run makes of them in its first epochs."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from bench.config import load_spec
from bench.data.arguments import show_parser
from bench.data.augmentation.augment import Triple, train_batch
from bench.data.augmentation.keyed import keyed_permutation
from bench.data.augmentation.operations import OPERATIONS
from bench.data.augmentation.plan import Plan, make_plan
from bench.data.augmentation.policies import Augmentation, make_space
from bench.data.datasets import load_dataset
from bench.util.cli import OK
from bench.util.errors import BadInput
from bench.util.files import writing

Pixels = NDArray[np.uint8]
TILE, GAP = 1.0, 0.28  # inches: the side of an image, and the room for its caption


def visible(batch: Tensor, mean: Triple, std: Triple) -> Pixels:
    """Return a normalised batch (B×3×H×W) as uint8 B×H×W×3, as a network sees it: erased boxes have the mean colour."""
    values = batch.float().permute(0, 2, 3, 1) * torch.tensor(std) + torch.tensor(mean)
    return (values * 255).round().clamp(0, 255).to(torch.uint8).numpy()


def captions(plan: Plan, policy: str, height: int, width: int) -> list[str]:
    """Return for each sample its operations with their magnitudes, and whether it is mirrored."""
    names, operations = [["mirrored"] if mirrored else [] for mirrored in plan.flip], list(OPERATIONS)
    for stage in plan.stages:
        magnitudes = make_space(policy, height, width).magnitudes[stage.operation, stage.setting]
        for words, number, magnitude in zip(names, stage.operation, magnitudes, strict=True):
            words.append(f"{operations[number]} {magnitude:.3g}" if magnitude else operations[number])
    return ["\n".join(words) for words in names]


def write_contact_sheet(
    images: Pixels,
    indices: NDArray[np.int64],
    path: Path,
    *,
    seed: int,
    epochs: int,
    augmentation: Augmentation,
    mean: Triple,
    std: Triple,
) -> None:
    """Write a PNG with one row for each image: the original, then the image as trained on in epochs 0, 1, ….

    Args:
        images: uint8 B×H×W×3, the originals.
        indices: (B,), their indices in the training split, which decide the augmentation.
        path: the file to write.
        seed, epochs, augmentation, mean, std: of the run; `epochs` columns are drawn.
    """
    given, chosen = torch.from_numpy(images), torch.from_numpy(indices)
    size = images.shape[1:3]
    columns: list[tuple[str, Pixels, list[str]]] = [("original", images, [f"sample {index}" for index in indices])]
    for epoch in range(epochs):
        batch = train_batch(given, chosen, seed=seed, epoch=epoch, augmentation=augmentation, mean=mean, std=std)
        plan = make_plan(chosen, seed=seed, epoch=epoch, augmentation=augmentation, size=size)
        columns.append((f"epoch {epoch}", visible(batch, mean, std), captions(plan, augmentation.policy, *size)))
    with writing(str(path)):
        _draw(columns).savefig(path, dpi=150, format="png")


def _draw(columns: Sequence[tuple[str, Pixels, list[str]]]) -> Figure:
    """Return a figure with one column of images for each title, a caption below each image."""
    rows = len(columns[0][1])
    with matplotlib.rc_context({"font.size": 6}):
        figure = Figure(figsize=(len(columns) * (TILE + 0.1), rows * (TILE + GAP) + GAP), layout="constrained")
        grid = figure.subplots(rows, len(columns), squeeze=False)
        for column, (title, images, below) in enumerate(columns):
            grid[0, column].set_title(title)
            for row in range(rows):
                cell = grid[row, column]
                cell.imshow(images[row], interpolation="nearest")
                cell.set(xticks=[], yticks=[], xlabel=below[row])
    return figure


def main(arguments: Sequence[str]) -> int:
    """Write the contact sheet of a run's YAML."""
    options = show_parser().parse_args(arguments)
    for flag in ("images", "epochs"):
        if not 1 <= getattr(options, flag) <= 100:
            raise BadInput(f"--{flag} {getattr(options, flag)}: allowed are 1 to 100")
    if not options.out.parent.is_dir():
        raise BadInput(f"--out {options.out}: there is no folder '{options.out.parent}'")
    spec = load_spec(options.file, options.overrides)
    data = load_dataset(spec.data.name, spec.data.root, spec.data.split)
    indices = keyed_permutation(spec.seed, 0, len(data.train))[: options.images].numpy()
    write_contact_sheet(
        np.ascontiguousarray(data.train.images[indices]),
        indices,
        options.out,
        seed=spec.seed,
        epochs=options.epochs,
        augmentation=spec.augmentation,
        mean=data.mean,
        std=data.std,
    )
    print(f"{options.out}: {len(indices)} images of {data.name} in {options.epochs} epochs")
    return OK
