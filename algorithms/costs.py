"""What algorithms make of a run's steps, told from their settings before training: sizes, and passes in images.

A row of the registry names its function here where a step is not one forward and one backward pass over its batch.
Each function repeats the arithmetic of the algorithm that it stands for; a test compares it with what is then trained.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Steps:
    """The steps of a run in turn: one entry of each array for each step.

    `elapsed` is the share of the run before the step and `in_epoch` the step's number in its epoch, as Composer has
    them; `height` and `width` are those of the images as they are fed; `forward` and `backward` count the images that
    go through the network each way.
    """

    elapsed: NDArray[np.float64]
    in_epoch: Integers
    height: Integers
    width: Integers
    forward: Integers
    backward: Integers


def colout(steps: Steps, settings: Mapping[str, Any]) -> Steps:
    """Drop a share of the rows and columns of every image."""
    height = ((1 - settings["p_row"]) * steps.height).astype(np.int64)
    return replace(steps, height=height, width=((1 - settings["p_col"]) * steps.width).astype(np.int64))


def progressive_resizing(steps: Steps, settings: Mapping[str, Any]) -> Steps:
    """Begin with small images and let them grow, by whole increments of their width."""
    delay, finetune, increment = (settings[key] for key in ("delay_fraction", "finetune_fraction", "size_increment"))
    growing = max(1 - finetune - delay, np.finfo(float).tiny)
    grown = np.clip((steps.elapsed - delay) / growing, 0.0, 1.0)
    scale = settings["initial_scale"] + (1 - settings["initial_scale"]) * grown
    scale = np.minimum(np.rint(steps.width * scale / increment) * increment / steps.width, 1.0)
    sides = {side: np.floor(getattr(steps, side) * scale).astype(np.int64) for side in ("height", "width")}
    return replace(steps, **sides)


def sam(steps: Steps, settings: Mapping[str, Any]) -> Steps:
    """Go forward and backward twice in every `interval`-th step."""
    times = 1 + ((np.arange(len(steps.elapsed)) + 1) % settings["interval"] == 0)
    return replace(steps, forward=times * steps.forward, backward=times * steps.backward)


def selective_backprop(steps: Steps, settings: Mapping[str, Any]) -> Steps:
    """Go forward with the whole batch, then forward and backward with what is kept; `interrupt` leaves steps out."""
    interrupt, keep = settings["interrupt"], settings["keep"]
    within = (steps.elapsed >= settings["start"]) & (steps.elapsed < settings["end"])
    plain = (steps.in_epoch + 1) % interrupt == 0 if interrupt else np.zeros_like(within)
    chosen = within & ~plain & (keep < 1)
    kept = (keep * steps.backward).astype(np.int64)
    forward = np.where(chosen, steps.forward + kept, steps.forward)
    return replace(steps, forward=forward, backward=np.where(chosen, kept, steps.backward))
