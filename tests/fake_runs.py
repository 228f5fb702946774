"""Write GENERATED run directories, for tests of tables and figures. Nothing here was trained; nothing here is a result.

Accuracy levels, spreads and times are made up near those of real runs, so that tables and figures look as they will.
Parameters and MACs are those of the zoo's definition, so that efficiencies come out at their usual size.
"""

import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from bench.records import EPOCHS, RESULT, SPEC, RunWriter, run_directory, to_json, to_line, write_evaluation
from bench.spec import RunSpec, recipe_hash
from bench.zoo.models import MODELS

IMAGES, EVALUATED, CLASSES = 50_000, 10_000, 100
SGD: dict[str, Any] = {"name": "sgd", "lr": 0.1, "weight_decay": 5e-4}
GHOST: dict[str, Any] = {**SGD, "weight_decay": 4e-5}
IMPROVED: dict[str, Any] = {**SGD, "lr": 0.05, "weight_decay": 1e-3}
ADAMW: dict[str, Any] = {"name": "adamw", "lr": 2e-4, "weight_decay": 0.05}


@dataclass(frozen=True)
class Fake:
    """What a generated run of a model pretends: cost, accuracy level, spread over seeds, hours, recipe."""

    parameters: int
    macs: float
    top1: float
    hours: float
    sd: float = 0.4
    optimizer: Mapping[str, Any] = field(default_factory=lambda: SGD)
    warmup: str = "0ep"
    batch: int = 2048
    network: str | None = None


FAKES: dict[str, Fake] = {
    "resnet_20": Fake(278_324, 40.82, 66.4, 0.207, network="resnet_20"),
    "resnet20_no_eca": Fake(278_324, 40.82, 66.4, 0.207, network="resnet_20"),
    "resnet_32": Fake(472_756, 69.13, 69.7, 0.217),
    "resnet_56": Fake(861_620, 125.75, 73.9, 0.225),
    "eca_resnet_20": Fake(278_351, 40.82, 66.7, 0.213, network="eca 3"),
    "eca_resnet_32": Fake(472_831, 69.13, 70.2, 0.217),
    "ecanet20_adaptive": Fake(278_351, 40.82, 66.7, 0.211, network="eca 3"),
    "ecanet20_fixed_k3": Fake(278_351, 40.82, 66.7, 0.210, network="eca 3"),
    "ecanet20_fixed_k5": Fake(278_369, 40.82, 66.4, 0.204),
    "ecanet20_fixed_k7": Fake(278_387, 40.82, 66.5, 0.209),
    "ecanet20_fixed_k9": Fake(278_405, 40.82, 66.6, 0.211),
    "eca_resnet20_pos1": Fake(278_351, 40.82, 67.3, 0.208),
    "eca_resnet20_pos3": Fake(278_351, 40.82, 66.8, 0.211),
    "ghost_resnet_20": Fake(149_060, 21.54, 59.1, 0.220, optimizer=GHOST, warmup="5ep"),
    "ghost_resnet_32": Fake(249_636, 36.21, 61.2, 0.266, optimizer=GHOST, warmup="5ep"),
    "ghostnet_100": Fake(4_029_608, 5.65, 51.6, 0.453, optimizer=GHOST, warmup="5ep"),
    "improved_resnet20_convnext": Fake(174_868, 34.19, 71.5, 0.229, optimizer=IMPROVED, warmup="5ep", batch=1024),
    "improved_resnet20_convnext_no_droppath": Fake(
        174_868, 34.19, 72.4, 0.222, optimizer=IMPROVED, warmup="5ep", batch=1024
    ),
    "improved_resnet20_convnext_std_conv": Fake(
        1_887_892, 301.65, 75.0, 0.258, optimizer=IMPROVED, warmup="5ep", batch=1024
    ),
    "improved_resnet20_convnext_no_inverted": Fake(
        38_644, 6.72, 51.9, 0.213, optimizer=IMPROVED, warmup="5ep", batch=1024
    ),
    "convnext_tiny": Fake(27_897_028, 90.99, 58.4, 0.260, 0.9, {**ADAMW, "lr": 4e-3}, "20ep"),
    "resnest50d": Fake(25_639_140, 111.63, 56.7, 0.295, 0.6, ADAMW, "10ep"),
    "cspresnet50": Fake(20_693_668, 70.67, 50.0, 0.230, 0.6, ADAMW, "10ep"),
    "mlp_mixer_tiny": Fake(1_341_924, 101.07, 59.0, 0.210, 0.5, {**ADAMW, "lr": 1e-3}, "10ep"),
    "mlp_mixer_b16": Fake(17_948_772, 1612.24, 60.6, 0.668, 0.5, {**ADAMW, "lr": 1e-3}, "10ep"),
    "coatnet_0": Fake(26_312_964, 328.99, 66.6, 0.293, 0.5, ADAMW, "10ep"),
    "coatnet_cifar_opt": Fake(27_008_486, 136.24, 58.7, 0.318, 0.6, ADAMW, "10ep"),
    "coatnet_cifar_opt_large_stem": Fake(27_010_534, 137.41, 55.6, 0.332, 0.6, ADAMW, "10ep"),
    "segnext_mscan_tiny": Fake(3_359_556, 49.80, 57.2, 0.238, 0.6, {**ADAMW, "lr": 1e-3}, "10ep"),
    "hornet_tiny": Fake(4_630_000, 95.0, 63.0, 0.300, 0.6, ADAMW, "10ep"),
}
# The deck's 21 models and four more.
TWENTY_FIVE = (
    *(
        "resnet_20",
        "resnet_32",
        "resnet_56",
        "eca_resnet_20",
        "eca_resnet_32",
        "ecanet20_adaptive",
        "ecanet20_fixed_k3",
    ),
    *(
        "ecanet20_fixed_k5",
        "ecanet20_fixed_k7",
        "ecanet20_fixed_k9",
        "ghost_resnet_20",
        "ghost_resnet_32",
        "ghostnet_100",
    ),
    *("improved_resnet20_convnext", "convnext_tiny", "resnest50d", "cspresnet50", "mlp_mixer_tiny", "mlp_mixer_b16"),
    *("coatnet_0", "coatnet_cifar_opt", "coatnet_cifar_opt_large_stem", "segnext_mscan_tiny", "hornet_tiny"),
    "eca_resnet20_pos1",
)
DECK_AUGMENTATION: dict[str, Any] = {"policy": "trivial_augment_wide", "erasing": 0.5}
DECK_ALGORITHMS: dict[str, Any] = {"label_smoothing": {"smoothing": 0.1}, "mixup": {"alpha": 0.2}, "channels_last": {}}


def fake_spec(runs: Path, name: str, seed: int, **changes: Any) -> RunSpec:
    """Return the spec of a generated run of the deck's recipe, with top-level keys replaced by `changes`."""
    fake = FAKES[name]
    content = {
        "experiment": "generated",
        "runs": str(runs),
        "model": {"name": name},
        "augmentation": DECK_AUGMENTATION,
        "batch_size": fake.batch,
        "max_duration": "300ep",
        "optimizer": dict(fake.optimizer),
        "schedule": {"name": "cosine", "warmup": fake.warmup},
        "algorithms": DECK_ALGORITHMS,
        "precision": "amp_fp16",
        "seed": seed,
    }
    return RunSpec.model_validate({**content, **changes})


def fake_rows(spec: RunSpec, fake: Fake, top1: float, epochs: int) -> list[dict[str, Any]]:
    """Return generated rows of a cosine run that ends at `top1`."""
    noise = random.Random(f"{spec.model.name} {spec.seed} rows")
    steps, seconds = IMAGES // spec.batch_size, fake.hours * 3600 / epochs
    rows = []
    for epoch in range(1, epochs + 1):
        done = epoch / epochs
        climb = (1 - math.exp(-6 * done)) * (0.78 + 0.22 * done**3) / (1 - math.exp(-6))
        wobble = noise.gauss(0, 1.2) * (1 - done)
        shown = top1 if epoch == epochs else max(1.0, top1 * climb + wobble)
        rows.append(
            {
                "epoch": epoch,
                "batch": epoch * steps,
                "samples": epoch * steps * spec.batch_size,
                "lr": spec.optimizer.lr * 0.5 * (1 + math.cos(math.pi * done)),
                "train_loss": 4.6 - 2.9 * climb + noise.gauss(0, 0.01),
                "train_top1": 0.85 * top1 * climb,
                "eval_loss": 4.6 - 3.3 * climb * top1 / 70 + noise.gauss(0, 0.02),
                "eval_top1": shown,
                "eval_top5": 100 - (100 - shown) * 0.35,
                "eval_samples": EVALUATED,
                "train_seconds": epoch * seconds,
                "eval_seconds": epoch * 0.4,
            }
        )
    return rows


def fake_fingerprint(spec: RunSpec, fake: Fake) -> str:
    """Return a fingerprint that is equal for the zoo's rows which are one network."""
    row = MODELS[spec.model.name]
    options = {**row.options, **spec.model.options}
    parts = fake.network or f"{row.builder} {sorted(options.items())} {spec.model.name if not options else ''}"
    extra = sorted(spec.model.options.items()) if fake.network else ""
    return hashlib.sha256(f"{parts} {extra} {spec.model.stem}".encode()).hexdigest()[:16]


def fake_result(spec: RunSpec, fake: Fake, rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Return a generated result in the shape of `bench.records`."""
    last, model = rows[-1], MODELS[spec.model.name]
    best = max(rows, key=lambda row: row["eval_top1"])
    train = float(last["train_seconds"])
    seconds = {"startup": 12.0, "train": train, "eval": float(last["eval_seconds"]), "checkpoint": 3.0, "other": 1.0}
    macs = round(fake.macs * 1e6)
    return {
        "status": "finished",
        "run": name,
        "experiment": spec.experiment,
        "recipe": recipe_hash(spec),
        "seed": spec.seed,
        "top1": last["eval_top1"],
        "top5": last["eval_top5"],
        "loss": last["eval_loss"],
        "evaluated_samples": EVALUATED,
        "best": {"top1": best["eval_top1"], "epoch": best["epoch"]},
        "model": {
            "name": spec.model.name,
            "family": model.family,
            "technique": model.technique,
            "own_design": model.own_design,
            "params": fake.parameters,
            "macs": macs,
            "activations": 1_000_000,
            "fingerprint": fake_fingerprint(spec, fake),
        },
        "data": {
            "name": spec.data.name,
            "split": spec.data.split,
            "classes": CLASSES,
            "train_samples": IMAGES,
            "eval_samples": EVALUATED,
        },
        "training": {
            "epochs": last["samples"] / IMAGES,
            "steps": last["batch"],
            "samples": last["samples"],
            "flops": 6 * macs * last["samples"],
        },
        "seconds": {**seconds, "total": sum(seconds.values())},
        "images_per_second": last["samples"] / train,
        "machine": {
            "device": "gpu",
            "device_name": "Generated GPU",
            "cpu": "Generated CPU",
            "cores": 16,
            "world_size": 8,
            "threads": 2,
            "precision": "amp_fp16" if spec.precision in ("auto", "amp") else spec.precision,
            "packages": {"torch": "2.7.0"},
            "commit": None,
        },
        "spec": spec.model_dump(mode="json"),
    }


def fake_top1(spec: RunSpec, fake: Fake) -> float:
    """Return a generated accuracy, a whole number of images of 10,000, fixed by model name and seed."""
    draw = random.Random(f"{spec.model.name} {spec.model.options} {spec.model.stem} {spec.seed}")
    return round(draw.gauss(fake.top1, fake.sd), 2)


def write_fake_run(
    runs: Path,
    name: str,
    seed: int = 0,
    *,
    top1: float | None = None,
    epochs: int = 20,
    fake: Mapping[str, Any] | None = None,
    result: Mapping[str, Any] | None = None,
    effective: str | None = None,
    finished: bool = True,
    **changes: Any,
) -> Path:
    """Write a generated run through the suite's own writer and return its directory.

    `changes` replace keys of the spec, `fake` fields of the model's row above, `result` keys of the result, dotted
    where they are in a section ("model.family"); `effective` is the precision that the declared one became.
    """
    spec, row = fake_spec(runs, name, seed, **changes), replace(FAKES[name], **(fake or {}))
    path = run_directory(spec)
    rows = fake_rows(spec, row, fake_top1(spec, row) if top1 is None else top1, epochs)
    writer = RunWriter(path)
    writer.claim(spec, {"generated": True})
    for line in rows:
        writer.append_epoch(line)
    if finished:
        made = fake_result(spec, row, rows, path.name)
        made["machine"]["precision"] = effective or made["machine"]["precision"]
        for key, value in (result or {}).items():
            *sections, last = key.split(".")
            reduce(getitem, sections, made)[last] = value
        writer.finish(made)
    writer.release()
    return path


def write_many(runs: Path, models: Sequence[str] = TWENTY_FIVE, seeds: int = 40, epochs: int = 20) -> None:
    """Write models × seeds generated runs quickly: the same bytes as the suite's writer, without locks and fsync."""
    for model in models:
        for seed in range(seeds):
            spec = fake_spec(runs, model, seed)
            path = run_directory(spec)
            path.mkdir(parents=True)
            rows = fake_rows(spec, FAKES[model], fake_top1(spec, FAKES[model]), epochs)
            (path / SPEC).write_bytes(to_json(spec.model_dump(mode="json")))  # JSON is YAML
            (path / EPOCHS).write_bytes(b"".join(to_line(row) for row in rows))
            (path / RESULT).write_bytes(to_json(fake_result(spec, FAKES[model], rows, path.name)))


def write_seeds(runs: Path, models: Sequence[str], seeds: int = 3) -> Path:
    """Write generated runs of some models, each with some seeds, by the suite's writer; return the folder."""
    for seed in range(seeds):
        for model in models:
            write_fake_run(runs, model, seed)
    return runs


def write_fake_evaluations(path: Path, seed: int, level: float) -> None:
    """Write generated evaluations of a run in the shape of `bench.evaluate`; `level` is near its top-1."""
    draw = random.Random(seed)

    def near(value: float) -> float:
        """Return a percentage near a value."""
        return min(100.0, max(0.0, draw.gauss(value, 0.5)))

    bins = [
        {
            "bin": number,
            "images": 100 + 80 * number,
            "confidence": (number + 0.5) / 0.15,
            "accuracy": near(6.2 * number),
        }
        for number in range(1, 15)
    ]
    write_evaluation(path, "calibration", {"ece": near(5), "bins": bins})
    falls = {kind: [near(level - 6 * severity) for severity in range(1, 6)] for kind in ("fog", "snow", "motion_blur")}
    write_evaluation(path, "corruptions", {"clean_top1": near(level), "kinds": falls})
    attacks = {name: {str(b): near(level * 0.6**b) for b in (1, 2, 4, 8)} for name in ("fgsm", "pgd")}
    write_evaluation(path, "adversarial", {"clean_top1": near(level), "attacks": attacks})
    names = ["aquatic mammals", "large natural outdoor scenes", "trees"]
    confusion = [[70, 20, 10], [5, 90, 5], [0, 40, 60]]
    rows = [{"superclass": name, "images": 100, "top1": near(confusion[i][i])} for i, name in enumerate(names)]
    write_evaluation(path, "superclass", {"superclasses": rows, "confusion": confusion})
