"""Find a run, the checkpoint to evaluate and the images, or say what is missing."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from bench.data.datasets import Dataset, load_dataset
from bench.engines.checkpoints import Content, Damaged, newest_valid, read_checkpoint, sha256
from bench.records import CHECKPOINTS, RunRecord
from bench.spec import RunSpec, recipe_hash
from bench.util.errors import BadInput

SPLITS = ("test", "train")


class Found(NamedTuple):
    """A checkpoint: where it is, what it holds, and whether it is of the run's end."""

    path: Path
    content: Content

    @property
    def final(self) -> bool:
        """Tell whether it was saved at the run's end."""
        return bool(self.content.get("finished"))

    def describe(self) -> dict[str, Any]:
        """Return what names the weights in a record: the file, its SHA-256, and the steps that were trained."""
        step = self.content["timestamp"]["batch"]
        return {"file": self.path.name, "sha256": sha256(self.path.read_bytes()), "step": step, "final": self.final}


def find_checkpoint(record: RunRecord, spec: RunSpec, named: Path | None) -> Found:
    """Return the named checkpoint, or the one of the run's end; raise BadInput where there is none of use."""
    if named is not None:
        return read_named(record, spec, named)
    if not record.finished:
        state = "failed" if record.failure else "has not finished"
        raise BadInput(
            f"{record.path}: this run {state}; train it to its end, or name one of its checkpoints with --checkpoint"
        )
    folder = record.path / CHECKPOINTS
    newest = newest_valid(folder, check_final)
    if newest.path is None:
        refused = "; ".join(f"{path.name}: {why}" for path, why in newest.refused)
        hint = refused or "the record alone, as below reports/runs, is not enough, nor is weights.safetensors"
        raise BadInput(f"{folder}: there is no checkpoint of the final weights ({hint})")
    return Found(newest.path, newest.content)


def check_final(content: Content) -> None:
    """Raise Damaged for a checkpoint of another moment than the run's end."""
    if not content.get("finished"):
        raise Damaged("it is not of the run's end")


def read_named(record: RunRecord, spec: RunSpec, path: Path) -> Found:
    """Return a checkpoint by its path; raise BadInput unless it is whole and this run's."""
    if not path.is_file():
        raise BadInput(f"--checkpoint {path}: there is no such file")
    try:
        content = read_checkpoint(path)
    except Damaged as reason:
        raise BadInput(f"--checkpoint {path}: {reason}") from None
    recipe = (record.result or {}).get("recipe") or recipe_hash(spec)
    if (content.get("recipe"), content.get("seed")) != (recipe, spec.seed):
        raise BadInput(
            f"--checkpoint {path}: it is of another run (recipe {content.get('recipe')}, seed {content.get('seed')}) "
            f"than {record.path} (recipe {recipe}, seed {spec.seed})"
        )
    return Found(path, content)


def find_images(record: RunRecord, spec: RunSpec, split: str | None, root: Path | None) -> Dataset:
    """Return the run's data set, whose evaluation split is what to evaluate: by default what the run evaluates.

    "train" are the images that it trains on, "test" the test set, also for a run that held training images out.
    """
    dataset = load_dataset(spec.data.name, root, spec.data.split)
    check_data(record, dataset)
    if split == "train":
        return replace(dataset, evaluation=dataset.train)
    if split == "test" and dataset.split_name != "test":
        return load_dataset(spec.data.name, root, "test")
    return dataset


def check_data(record: RunRecord, dataset: Dataset) -> None:
    """Refuse data of another size than those that the run recorded."""
    recorded = (record.result or {}).get("data") or {}
    train, evaluation = len(dataset.train), len(dataset.evaluation)
    sizes: dict[str, Any] = {"classes": len(dataset.classes), "train_samples": train, "eval_samples": evaluation}
    sizes["image"] = list(dataset.image)
    for name, size in sizes.items():
        if recorded.get(name) not in (None, size):
            raise BadInput(
                f"data set '{dataset.name}' is not the one of the run: {name} is {size}, the run recorded "
                f"{recorded[name]}; name the folder of data sets with --data-root"
            )
