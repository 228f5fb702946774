"""Whether a run's network can be built, and takes the images of every size that the recipe trains on."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from algorithms.costs import Steps
from algorithms.registry import ALGORITHMS, plan_steps
from bench.algorithm_settings import check_network
from bench.data.datasets import Dataset
from bench.data.prepare import Image
from bench.data.sizes import Sizes, size_at
from bench.engines.registry import ENGINES, refuse
from bench.spec import RunSpec
from bench.util.errors import BadInput

if TYPE_CHECKING:
    from torch import nn

# At how many points of a run the size of its images is looked up.
POINTS = 1000


def check_sizes(spec: RunSpec, dataset: Dataset) -> None:
    """Refuse progressive sizes above the images' own, and in a run whose steps are not known beforehand."""
    sizes = spec.augmentation.sizes or ()
    if sizes and spec.max_duration.seconds is not None:
        raise BadInput("key 'augmentation.sizes': shares of the steps need a max_duration in ep, ba or sp")
    shape = dataset.train.images.shape[1:3]
    if any(size > min(shape) for _, size in sizes):
        raise BadInput(f"key 'augmentation.sizes': {dataset.name} has only {shape[0]}×{shape[1]} pixels")


def check_model(spec: RunSpec, dataset: Dataset) -> None:
    """Refuse a model that cannot be built for the data, and parts of the recipe that do not go with it."""
    from algorithms.muon import hidden_matrices
    from bench.engines.fast_import import import_composer
    from bench.engines.starting import start
    from bench.zoo.build import build_declared

    model = build_declared(spec.model, dataset)
    start(spec, dataset, model, lambda said: None)
    if spec.optimizer.name == "muon" and not hidden_matrices(model):
        raise BadInput(
            "key 'optimizer.name': 'muon' is for convolution filters and hidden matrices; this network has none"
        )
    if any(ALGORITHMS[name].check for name in spec.algorithms):
        import_composer()
        check_network(spec.algorithms, model)
    refuse(ENGINES[spec.engine].check_network, model, dataset.image)
    check_smaller(spec, model, dataset.image, spec.model.name)


def check_smaller(spec: RunSpec, model: "nn.Module", image: Image, name: str) -> None:
    """Refuse a recipe whose images have sizes that a model, built for the data's, does not take."""
    from bench.zoo.sizes import size_text, try_image

    for size in trained_sizes(spec.augmentation.sizes, spec.algorithms, image):
        said = try_image(model, (image[0], *size)) if size != image[1:] else ""
        if said:
            keys = [f"algorithms.{key}" for key in spec.algorithms if resizes(key, spec.algorithms[key], image)]
            keys += ["augmentation.sizes"] if spec.augmentation.sizes else []
            raise BadInput(
                f"key '{' and '.join(keys)}': the run trains on images of {size_text((image[0], *size))} too, which "
                f"model '{name}', built for {size_text(image)}, does not accept: {said}"
            )


def resizes(name: str, settings: Mapping[str, Any], image: Image) -> bool:
    """Tell whether an algorithm changes the size of the images that are trained on."""
    return trained_sizes(None, {name: settings}, image) != [image[1:]]


def trained_sizes(
    sizes: Sizes | None, algorithms: Mapping[str, Mapping[str, Any]], image: Image
) -> list[tuple[int, int]]:
    """Return the heights and widths of the images that a run trains on, in ascending order.

    `sizes` are those of the data path, None for the images' own; they and what algorithms make of them are taken at
    `POINTS` points of the run.
    """
    fed = np.array([(size_at(sizes, point, POINTS),) * 2 if sizes else image[1:] for point in range(POINTS)])
    once = np.ones(POINTS, np.int64)
    steps = plan_steps(algorithms, Steps(np.arange(POINTS) / POINTS, once, fed[:, 0], fed[:, 1], once, once))
    return sorted(set(zip(steps.height.tolist(), steps.width.tolist(), strict=True)))
