"""Attention: what of an image speaks for a class, by Grad-CAM (Selvaraju et al., ICCV 2017) of the `grad-cam` package.

Of 12 images or fewer, as `--images` names them, all are shown; of more the 12 mistakes of which the network is most
certain. The sheet has three pictures of each: the image, and over it the maps of the class that the network names and
of the true class. A map is of the last layer that still has places; it is scaled to 1 at its highest place, so the
colours of two maps do not compare. It shows where a class is seen, not why.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.evaluate.subset import source_rows
from bench.evaluate.trained import Predictions, Trained
from bench.figures import style
from bench.util.errors import BadInput
from bench.util.text_table import text_table

SHOWN = 12
COLUMNS = 4
# Inches of a row of the sheet, whose pictures are about 1.1 wide.
ROW = 1.55
Maps = NDArray[np.float32]


def measure(trained: Trained, predictions: Predictions) -> dict[str, Any]:
    """Return which images are shown: row in the file, true and named class, and the probability of the latter."""
    probabilities = predictions.logits.double().softmax(dim=1)
    confidence, named = probabilities.max(dim=1)
    chosen = choose(confidence, named != predictions.labels)
    if not len(chosen):
        raise BadInput(f"{trained.record.path}: the network makes no mistakes; name images to show with --images")
    classes, rows = trained.dataset.classes, source_rows(trained.dataset.evaluation)
    return {
        "layer": last_layer(plain(trained), images_of(trained, rows[:1])),
        "shown": [
            {
                "row": int(rows[index]),
                "class": classes[int(predictions.labels[index])],
                "named": classes[int(named[index])],
                "confidence": 100 * float(confidence[index]),
            }
            for index in chosen.tolist()
        ],
    }


def choose(confidence: Tensor, wrong: Tensor) -> Tensor:
    """Return which images are shown: all where they fit, else the mistakes of the highest confidence, that first."""
    if len(confidence) <= SHOWN:
        return torch.arange(len(confidence))
    order = confidence.argsort(descending=True, stable=True)
    return order[wrong[order]][:SHOWN]


def plain(trained: Trained) -> nn.Module:
    """Return the network in float32 on the CPU."""
    from bench.export.network import plain_network  # imported here: only what draws needs it

    return plain_network(trained)


def images_of(trained: Trained, rows: Tensor) -> Tensor:
    """Return images of the split by their rows in the file, normalised, on the CPU."""
    return trained.normalise(pixels_of(trained, rows)).float().cpu().contiguous()


def pixels_of(trained: Trained, rows: Tensor) -> NDArray[np.uint8]:
    """Return images of the split by their rows in the file, uint8 N×H×W×3."""
    split = trained.dataset.evaluation
    places = {int(row): place for place, row in enumerate(source_rows(split))}
    return np.asarray(split.images[[places[int(row)] for row in rows]])


@torch.enable_grad()
def last_layer(network: nn.Module, images: Tensor) -> str:
    """Return the name of the layer that is last to tell places apart: several places of its output count.

    A layer's output tells places apart as maps, or as tokens behind a LayerNorm. Of a class's own token alone the
    others do not count any more. Raises BadInput for a network without such a layer.
    """
    outputs: dict[str, Tensor] = {}

    def remember(name: str, module: nn.Module, output: Any) -> None:
        """Note an output of several places, of layers in the order in which they are done."""
        if has_places(output, images.shape) and (output.ndim == 4 or isinstance(module, nn.LayerNorm)):
            outputs.pop(name, None)
            outputs[name] = output

    hooks = [
        module.register_forward_hook(lambda module, _, output, name=name: remember(name, module, output))
        for name, module in network.named_modules()
        if name
    ]
    try:
        logits = network(images)
    finally:
        for hook in hooks:
            hook.remove()
    gradients = torch.autograd.grad(logits.amax(dim=1).sum(), list(outputs.values()), allow_unused=True)
    for (name, output), gradient in reversed(list(zip(outputs.items(), gradients, strict=True))):
        if gradient is not None and int(gradient.abs().sum(dim=1 if output.ndim == 4 else 2).count_nonzero()) > len(
            images
        ):
            return name
    raise BadInput("the network has no layer of maps, of which Grad-CAM could tell places")


def has_places(output: Any, shape: Sequence[int]) -> bool:
    """Tell whether an output is of maps (N×C×H×W) of the proportions of images of a shape, or of tokens (N×T×C)."""
    if not isinstance(output, Tensor) or output.ndim not in (3, 4):
        return False
    if output.ndim == 3:
        return output.shape[1] > 1
    _, _, height, width = output.shape
    return height * width > 1 and height * shape[3] == width * shape[2]


def maps_of(network: nn.Module, layer: str, images: Tensor, classes: Sequence[int]) -> Maps:
    """Return what of normalised images (N×3×H×W) speaks for one class each: N×H×W, from 0 to 1."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    targets = [ClassifierOutputTarget(number) for number in classes]
    with torch.enable_grad(), GradCAM(network, [network.get_submodule(layer)], reshape_transform=to_maps) as cam:
        return np.asarray(cam(input_tensor=images, targets=targets), np.float32)


def to_maps(outputs: Tensor) -> Tensor:
    """Return a layer's outputs as N×C×H×W maps; those of tokens (N×T×C) without the tokens that stand for no place."""
    if outputs.ndim == 4:
        return outputs
    side = int(outputs.shape[1] ** 0.5)
    return outputs[:, -(side**2) :].unflatten(1, (side, side)).permute(0, 3, 1, 2)


def draw(trained: Trained, measured: Mapping[str, Any]) -> bytes:
    """Return the contact sheet as PNG."""
    shown, classes = measured["shown"], list(trained.dataset.classes)
    rows = torch.tensor([item["row"] for item in shown])
    network, images, pixels = plain(trained), images_of(trained, rows), pixels_of(trained, rows)
    maps = [
        maps_of(network, measured["layer"], images, [classes.index(item[key]) for item in shown])
        for key in ("named", "class")
    ]
    with style.styled():
        figure = draw_sheet(pixels, maps, shown)
        content = BytesIO()
        figure.savefig(content, format="png", dpi=style.DPI, metadata=style.UNDATED["png"])
    return content.getvalue()


def draw_sheet(pixels: NDArray[np.uint8], maps: Sequence[Maps], shown: Sequence[Mapping[str, Any]]) -> Figure:
    """Return a sheet of the images, each beside itself under its maps."""
    down = -(-len(shown) // COLUMNS)
    figure = style.new_figure(down * ROW + 0.3)
    axes = figure.subplots(down, 3 * COLUMNS, squeeze=False)
    for panel in axes.flat:
        panel.set_axis_off()
    for number, item in enumerate(shown):
        first = axes[number // COLUMNS, 3 * (number % COLUMNS) :]
        show_image(first[0], pixels[number], None, f"row {item['row']}")
        show_image(first[1], pixels[number], maps[0][number], f"{item['named']}\n{item['confidence']:.0f} %")
        show_image(first[2], pixels[number], maps[1][number], f"{item['class']}\n(true)")
    style.add_footer(
        figure, ["Image; Grad-CAM of the class that the network names, with its probability; of the true."]
    )
    return figure


def show_image(panel: Axes, image: NDArray[np.uint8], over: Maps | None, title: str) -> None:
    """Show an image, under a map where one is given, below its title."""
    panel.imshow(image)
    if over is not None:
        panel.imshow(over, cmap="inferno", alpha=0.55, vmin=0, vmax=1)
    panel.set_title(title.replace("_", " "), fontsize=8, pad=2)


def show(measured: Mapping[str, Any]) -> list[str]:
    """Return a table of the images that are shown."""
    rows = [(str(item["row"]), item["class"], item["named"], f"{item['confidence']:.1f}") for item in measured["shown"]]
    lines = text_table(("row", "class", "named", "confidence (%)"), rows, (0, 3))
    return [*lines, "", f"Grad-CAM of the layer {measured['layer']}"]
