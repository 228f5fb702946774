"""What evaluations left beside a run: where each is kept, and whether it is of the same weights and images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.environment import cpu_model, usable_cores
from bench.evaluate.latency import machine
from bench.evaluate.registry import Evaluator, Measured
from bench.evaluate.trained import Trained
from bench.records import EVALUATION, write_evaluation
from bench.util.files import write_atomically, writing
from bench.util.untrusted import read_json

# What two evaluations have in common if they evaluate the same; a timed one must have the machine in common too.
SAME = ("version", "data", "split", "precision", "device")


def describe(trained: Trained, name: str, evaluator: Evaluator) -> dict[str, Any]:
    """Return what is evaluated: the run, its weights, the images, and how and where they are classified."""
    return {
        "what": name,
        "version": evaluator.version,
        "run": trained.record.run_id,
        "checkpoint": trained.checkpoint.describe(),
        "data": trained.dataset.name,
        "split": trained.split,
        "images": len(trained.dataset.evaluation),
        "precision": trained.precision,
        "device": trained.device.type,
        "cpu": cpu_model(),
    }


def file_name(trained: Trained, name: str) -> str:
    """Return the name of an evaluation's file; weights or images that are not the headline's are named in it."""
    default = trained.checkpoint.final and trained.split == trained.spec.data.split
    return name if default else f"{name}-{trained.checkpoint.path.stem}-{trained.split}"


def find_kept(trained: Trained, name: str, evaluator: Evaluator) -> Measured | None:
    """Return what was kept of the same weights, on at least as many images of the same, or None."""
    path = trained.record.path / EVALUATION / f"{file_name(trained, name)}.json"
    if not path.is_file():
        return None
    kept, about = read_json(path), describe(trained, name, evaluator)
    same = all(kept.get(key) == about[key] for key in SAME)
    if evaluator.timed and kept.get("machine") != machine(trained, usable_cores()):
        return None
    weights = (kept.get("checkpoint") or {}).get("sha256")
    enough = int(kept.get("images") or 0) >= about["images"]
    return kept if same and enough and weights == about["checkpoint"]["sha256"] else None


def keep(trained: Trained, name: str, evaluator: Evaluator, measured: Mapping[str, Any]) -> Path:
    """Write what was measured beside the run, with what was evaluated, and return the path of the file."""
    about = describe(trained, name, evaluator)
    return write_evaluation(trained.record.path, file_name(trained, name), {**about, **measured})


def keep_drawing(trained: Trained, name: str, content: bytes) -> Path:
    """Write a drawing beside the run, and return the path of the PNG file."""
    path = trained.record.path / EVALUATION / f"{file_name(trained, name)}.png"
    with writing(f"{path}:"):
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, content)
    return path
