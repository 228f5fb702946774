"""What a run needs of its machine, data and services, checked before anything of the run is written.

A check raises BadInput whose text says what is missing and how to go on. Checks of what only the first process uses
(the rendezvous port, the runs folder, W&B) are made by it alone: the others end with it.
"""

import hashlib
import os
from pathlib import Path

from bench.algorithm_settings import check_process_batch
from bench.data.datasets import Dataset, load_dataset
from bench.engines.model_check import check_model, check_sizes
from bench.engines.nodes import ONE_NODE, Processes
from bench.engines.precision import Decision, find_device
from bench.engines.registry import ENGINES, refuse
from bench.engines.wandb_login import check_wandb
from bench.schedule import shares
from bench.spec import RunSpec, shared_keys
from bench.util.duration import Duration
from bench.util.errors import BadInput
from bench.util.extras import require
from bench.util.ports import check_port
from bench.util.ranks import local_world_size, spans_nodes


def check_preconditions(
    spec: RunSpec, run: Path, rank: int, world_size: int, nodes: Processes = ONE_NODE
) -> tuple[Dataset, Decision]:
    """Return the run's data set, opened, and its precision; raise BadInput for the first thing that it needs and lacks.

    What is quick to check comes first, the data set, which may have to be drawn, late.
    """
    from bench.data.loader import check_batch_size, check_evaluation
    from bench.engines.identity import choose_precision

    check_batch_size(spec.batch_size, world_size)
    check_process_batch(spec.algorithms, spec.batch_size // world_size)
    check_device(spec)
    refuse(ENGINES[spec.engine].check, spec, world_size)
    decision = choose_precision(spec, run, nodes)
    if rank == 0:
        if not spans_nodes():  # there the processes have met already
            check_port(world_size)
        check_writable(run)
        check_logging(spec)
    dataset = load_dataset(spec.data.name, Path(spec.data.root) if spec.data.root else None, spec.data.split)
    nodes.check_same("data set", describe_data(dataset))
    check_batch_size(spec.batch_size, 1, len(dataset.train))
    check_evaluation(len(dataset.evaluation), world_size)
    shares(spec, len(dataset.train) // spec.batch_size)  # refuses a schedule that contradicts itself
    check_sizes(spec, dataset)
    check_averaging(spec, len(dataset.train) // spec.batch_size)
    check_model(spec, dataset)
    if "distillation" in spec.algorithms:
        from bench.engines.fast_import import import_composer

        import_composer()
        from bench.engines.teacher import check_teacher

        check_teacher(spec, dataset)
    return dataset, decision


def check_specs(spec: RunSpec, nodes: Processes) -> None:
    """Refuse a spec that differs from the first process's in more than what each node may have for itself."""
    for key, value in shared_keys(spec).items():
        nodes.check_same(f"key '{key}'", value)


def describe_data(dataset: Dataset) -> str:
    """Return what tells data sets of one name on several nodes apart: how many images, and the labels."""
    labels = hashlib.sha256(dataset.train.labels.tobytes() + dataset.evaluation.labels.tobytes()).hexdigest()[:8]
    return f"{len(dataset.train)} + {len(dataset.evaluation)} images (labels {labels})"


def check_device(spec: RunSpec) -> None:
    """Refuse a device that this machine does not have, and more processes than it has GPUs."""
    import torch

    here = local_world_size()
    if find_device(spec.device) == "gpu" and (gpus := torch.cuda.device_count()) < here:
        raise BadInput(f"{here} processes on this machine, which has {gpus} GPUs: use -n {gpus}, or device=cpu")


def check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be made or written; nothing is written to find out."""
    there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    reason = (
        "is not a folder" if not there.is_dir() else None if os.access(there, os.W_OK | os.X_OK) else "is not writable"
    )
    if reason:
        raise BadInput(f"runs folder: {folder} cannot be written: {there} {reason}; choose another with runs=FOLDER")


def check_logging(spec: RunSpec) -> None:
    """Refuse logging to W&B that is asked for and cannot be done."""
    if spec.wandb.enabled:
        require("wandb", "'wandb'", "logging to W&B (or turn it off: wandb.enabled=false)")
        check_wandb()


# The settings of each algorithm that averages weights: from when on, and what counts in epochs or batches.
AVERAGES = {"ema": ("ema_start", "half_life"), "swa": ("swa_start", "update_interval")}


def check_averaging(spec: RunSpec, epoch_batches: int) -> None:
    """Refuse an average of weights that no weights would enter, since the run ends before."""
    if spec.max_duration.seconds:
        return
    steps = spec.max_duration.steps(epoch_batches, spec.batch_size)
    for name in AVERAGES.keys() & spec.algorithms.keys():
        settings = spec.algorithms[name]
        start, every = (Duration.parse(settings[key]) for key in AVERAGES[name])
        batches = start.value * steps if start.unit == "dur" else start.batches(epoch_batches, spec.batch_size)
        last = steps // epoch_batches * epoch_batches if every.unit == "ep" else steps
        if last == 0 or last < batches:
            begin, interval = AVERAGES[name]
            raise BadInput(
                f"key 'algorithms.{name}': the run's {steps} steps ({epoch_batches} per epoch) end before weights are "
                f"averaged; use an earlier {begin} than {start}, or count {interval} ({every}) in batches (ba)"
            )
