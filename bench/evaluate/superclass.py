"""Superclass accuracy: whether the class that a network names is of the true class's superclass.

CIFAR-100 has 20 superclasses of five classes (Krizhevsky, 2009). A mistake by chance stays within the superclass with a
probability of 4/99; `mistakes_within` is how often a network's mistakes do.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from bench.evaluate.per_class import confusion
from bench.evaluate.registry import EVALUATORS
from bench.evaluate.trained import Predictions, Trained
from bench.util.errors import BadInput
from bench.util.text_table import text_table

CIFAR100: dict[str, str] = {
    "aquatic mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food containers": "bottle bowl can cup plate",
    "fruit and vegetables": "apple mushroom orange pear sweet_pepper",
    "household electrical devices": "clock keyboard lamp telephone television",
    "household furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large carnivores": "bear leopard lion tiger wolf",
    "large man-made outdoor things": "bridge castle house road skyscraper",
    "large natural outdoor scenes": "cloud forest mountain plain sea",
    "large omnivores and herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium-sized mammals": "fox porcupine possum raccoon skunk",
    "non-insect invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles 1": "bicycle bus motorcycle pickup_truck train",
    "vehicles 2": "lawn_mower rocket streetcar tank tractor",
}
SUPERCLASSES: dict[str, Mapping[str, str]] = {"cifar100": CIFAR100}


def measure(trained: Trained, predictions: Predictions) -> dict[str, Any]:
    """Return the accuracy in percent of each superclass and of all images; raise BadInput for a set without any."""
    groups = SUPERCLASSES.get(trained.dataset.name)
    if groups is None:
        raise BadInput(f"data set '{trained.dataset.name}' has no superclasses; known of: {', '.join(SUPERCLASSES)}")
    names = list(groups)
    # The labels of CIFAR-100 are numbered in the order of the alphabet; its folder may have no names.
    classes = sorted(name for members in groups.values() for name in members.split())
    of_class = {member: number for number, members in enumerate(groups.values()) for member in members.split()}
    group_of = torch.tensor([of_class[name] for name in classes])
    return group_rows(predictions.logits, predictions.labels, group_of, names)


def group_rows(logits: Tensor, labels: Tensor, group_of: Tensor, names: Sequence[str]) -> dict[str, Any]:
    """Return the accuracies of groups, and how often each (row) was taken for each (column).

    `logits` are N×classes, `labels` N, `group_of` the group of each class.
    """
    predicted = logits.argmax(dim=1)
    true, named = group_of[labels], group_of[predicted]
    within = true == named
    wrong = predicted != labels
    rows = [
        {"superclass": name, "images": int(there.sum()), "top1": share(within[there])}
        for name, there in ((name, true == number) for number, name in enumerate(names))
    ]
    return {
        "superclass_top1": share(within),
        "mistakes_within": share(within[wrong]),
        "superclasses": rows,
        "confusion": confusion(named, true, len(names)).tolist(),
    }


def share(chosen: Tensor) -> float | None:
    """Return how many are true in percent, None of none."""
    return 100 * float(chosen.double().mean()) if len(chosen) else None


def show(measured: Mapping[str, Any]) -> list[str]:
    """Return a table of the superclasses, worst first, and the quantities."""
    known = sorted((row for row in measured["superclasses"] if row["images"]), key=lambda row: row["top1"])
    lines = text_table(
        ("superclass", "images", "top-1 (%)"),
        [(row["superclass"], str(row["images"]), f"{row['top1']:.1f}") for row in known],
        range(1, 3),
    )
    quantities = EVALUATORS["superclass"].quantities.items()
    said = [quantity.say(measured[name]) for name, quantity in quantities if measured[name] is not None]
    return [*lines, "", ", ".join(said)]
