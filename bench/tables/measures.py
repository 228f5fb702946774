"""The columns that several tables share, and how a run group fills them; the options of the command line."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.analysis.cells import (
    Cell,
    Column,
    Phrase,
    constant_cell,
    mean_cell,
    missing,
    number,
    ratio_cell,
    time_cell,
    words,
)
from bench.analysis.recipe import stem_of
from bench.analysis.run_groups import RunGroup
from bench.tables.health import health_cell

MILLION, HOUR, PETA = 1e-6, 1 / 3600, 1e-15


@dataclass(frozen=True)
class Options:
    """What the command line asks of a builder."""

    allow_mixed: bool = False
    best: bool = False
    paired: bool = False


def column(key: str, heading: str, digits: int = 2, **rest: object) -> Column:
    """Return a column whose heading is an English key of `bench.tables.text`."""
    return Column(key, Phrase(heading), digits, **rest)  # type: ignore[arg-type]


RANK = column("rank", "Rank", 0, kind="rank")
MODEL = column("model", "Model", kind="words")
TECHNIQUE = column("technique", "Technique", kind="words", wide=True)
RUNS = column("n", "n", 0)
TOP1 = column("top1", "Top-1 (%)", kind="mean")
TOP5 = column("top5", "Top-5 (%)", kind="mean")
BEST = column("best_top1", "Best epoch (%)", kind="mean")
PARAMETERS = column("params_m", "Params (M)", 3)
MACS = column("macs_m", "MACs (M)")
FLOPS = column("flops_m", "FLOPs (M)", 1)
TRAIN = column("train_h", "Train (h)", 3)
TRAIN_WIDE = replace(TRAIN, wide=True)
SPEED = column("images_per_s", "Images/s", 0, wide=True)
PER_PARAMETERS = column("top1_per_m_params", "%/M params", 1)
PER_MACS = column("top1_per_mmac", "%/MMAC", 3, wide=True)
PER_FLOPS = column("top1_per_mflop", "%/MFLOP", 3)
PER_HOUR = column("top1_per_h", "%/train h", 1, kind="interval")
OWN = column("own_design", "Own", kind="words")
STEM = column("stem", "Stem", kind="words")
HEALTH = column("health", "Health", kind="words")
MACHINE = column("machine", "Machine", kind="words")
EVALUATION = column("eval_h", "Eval (h)", 3, wide=True)
TOTAL = column("total_h", "Total (h)", 3)
CHECKPOINTS = column("checkpoint_share", "Checkpoints (%)", 3)
DEVICE_HOURS = column("device_h", "Device-hours", 3)
TRAINING_FLOPS = column("training_pflop", "Training PFLOP", 3)
TRAINING_FLOPS_WIDE = replace(TRAINING_FLOPS, wide=True)

# The columns that a machine's noise is in.
TIMES = frozenset({"train_h", "eval_h", "total_h", "device_h", "images_per_s", "top1_per_h"})


def devices(run_group: RunGroup) -> float:
    """Return on how many devices a run group was trained: GPUs, or where there is none the share of one machine.

    That share is threads / cores: runs that were trained side by side had the machine together, not each. Records of
    an older version know only the cores that a run was given.
    """
    machine = run_group.first.get("machine") or {}
    ranks = int(machine.get("world_size") or 1)
    cores = machine.get("host_cores") or machine.get("cores")
    if machine.get("device") != "cpu":
        return ranks
    return min(1.0, ranks * int(machine.get("threads") or cores) / int(cores)) if cores else 1.0


def technique_title(run_group: RunGroup) -> str:
    """Return the technique that a run group's model stands for, as readers see it."""
    return str(run_group.first["model"].get("technique")).replace("_", " ")


def machine_cell(run_group: RunGroup) -> Cell:
    """Return what trained a run group."""
    if run_group.recipe_fields["machine"] == "several":
        return missing("the runs were trained on several machines")
    return words("{}", run_group.recipe_fields["machine"])


def checkpoint_cell(run_group: RunGroup) -> Cell:
    """Return what saving checkpoints took of a run group's runs, in per cent of their training time."""
    saved, trained = run_group.values("seconds.checkpoint"), run_group.values("seconds.train")
    runs = [run for run in saved if trained.get(run)]
    if not runs:
        return missing("'{}' was not recorded", "seconds.checkpoint")
    return number(100 * sum(saved[run] for run in runs) / sum(trained[run] for run in runs), runs)


MEASURES: dict[str, Callable[[RunGroup], Cell]] = {
    "model": lambda c: words("{}", c.label),
    "technique": lambda c: words("{}", Phrase(technique_title(c))),
    "n": lambda c: number(len(c.runs), c.runs),
    "top1": lambda c: mean_cell(c, "top1"),
    "top5": lambda c: mean_cell(c, "top5"),
    "best_top1": lambda c: mean_cell(c, "best.top1"),
    "params_m": lambda c: constant_cell(c, "model.params", MILLION),
    "macs_m": lambda c: constant_cell(c, "model.macs", MILLION),
    "flops_m": lambda c: constant_cell(c, "model.macs", 2 * MILLION),
    "train_h": lambda c: time_cell(c, "seconds.train", HOUR),
    "eval_h": lambda c: time_cell(c, "seconds.eval", HOUR),
    "total_h": lambda c: time_cell(c, "seconds.total", HOUR),
    "checkpoint_share": checkpoint_cell,
    "device_h": lambda c: time_cell(c, "seconds.train", HOUR * devices(c)),
    "images_per_s": lambda c: time_cell(c, "images_per_second"),
    "training_pflop": lambda c: mean_cell(c, "training.flops", PETA),
    "top1_per_m_params": lambda c: ratio_cell(c, "top1", "model.params", 1 / MILLION),
    "top1_per_mmac": lambda c: ratio_cell(c, "top1", "model.macs", 1 / MILLION),
    "top1_per_mflop": lambda c: ratio_cell(c, "top1", "model.macs", 1 / MILLION / 2),
    "top1_per_h": lambda c: ratio_cell(c, "top1", "seconds.train", 1 / HOUR),
    "own_design": lambda c: words("yes" if c.first["model"].get("own_design") else "no"),
    "stem": lambda c: words(stem_of(c.spec)),
    "health": health_cell,
    "machine": machine_cell,
}


def measure(run_group: RunGroup, columns: tuple[Column, ...]) -> dict[str, Cell]:
    """Return a run group's cells in the columns that it can fill."""
    return {column.key: MEASURES[column.key](run_group) for column in columns if column.key in MEASURES}
