"""The columns that several tables share, as one dict: key → heading, format and what fills it; the command's options.

A new column is one row here. It stands at the end of the tables of models that it names (`tables`), or where a table
places it. A metric's column follows from its row in `bench.analysis.metrics`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.analysis.cells import (
    SEVERAL_MACHINES,
    Cell,
    Column,
    Phrase,
    constant_cell,
    mean_cell,
    missing,
    number,
    on_several_machines,
    ratio_cell,
    time_cell,
    words,
)
from bench.analysis.metrics import HEADLINE, METRICS
from bench.analysis.recipe import stem_of
from bench.analysis.run_groups import RunGroup, recorded_metrics
from bench.tables.health import health_cell

# Times of runs that `shared_devices.json` names.
SHARED = "its device was shared, so its times do not count ({})"
MILLION, HOUR, PETA = 1e-6, 1 / 3600, 1e-15


@dataclass(frozen=True)
class Options:
    """What the command line asks of a builder."""

    allow_mixed: bool = False
    best: bool = False


def devices(run_group: RunGroup) -> float:
    """Return on how many devices a run group was trained: GPUs, or where there is none the share of its machines.

    That share is threads / cores: runs that were trained side by side had the machine together, not each. Records of
    an older version know only the cores that a run was given.
    """
    machine = run_group.first.get("machine") or {}
    ranks = int(machine.get("world_size") or 1)
    cores = machine.get("host_cores") or machine.get("cores")
    if machine.get("device") != "cpu":
        return ranks
    nodes = float(machine.get("nodes") or 1)
    return min(nodes, ranks * int(machine.get("threads") or cores) / int(cores)) if cores else nodes


def technique_cell(run_group: RunGroup) -> Cell:
    """Return the technique that a run group's model stands for, as readers see it."""
    return words("{}", Phrase(str(run_group.first["model"].get("technique")).replace("_", " ")))


def device_hours_cell(run_group: RunGroup) -> Cell:
    """Return for how many hours devices trained a run group."""
    return time_cell(run_group, "seconds.train", HOUR * devices(run_group))


def own_cell(run_group: RunGroup) -> Cell:
    """Return whether a run group's model is a design of the deck's own."""
    return words("yes" if run_group.first["model"].get("own_design") else "no")


def machine_cell(run_group: RunGroup) -> Cell:
    """Return what trained a run group."""
    return SEVERAL_MACHINES if on_several_machines([run_group]) else words("{}", run_group.recipe_fields["machine"])


def checkpoint_cell(run_group: RunGroup) -> Cell:
    """Return what saving checkpoints took of a run group's runs, in per cent of their training time."""
    saved, trained = run_group.values("seconds.checkpoint"), run_group.values("seconds.train")
    runs = [run for run in saved if trained.get(run)]
    if not runs:
        return missing("'{}' was not recorded", "seconds.checkpoint")
    return number(100 * sum(saved[run] for run in runs) / sum(trained[run] for run in runs), runs)


def where_alone(make: Callable[[RunGroup], Cell]) -> Callable[[RunGroup], Cell]:
    """Return what makes a cell of times: nothing for runs that shared their device, whose times do not count."""
    return lambda run_group: missing(SHARED, run_group.shared) if run_group.shared else make(run_group)


def of_time(row: Column) -> Column:
    """Return a column as one of times."""
    assert row.make_cell is not None, "a table that fills in times itself asks where_alone itself"
    return replace(row, timed=True, make_cell=where_alone(row.make_cell))


def column(key: str, heading: str, zh: str, digits: int = 2, **rest: Any) -> Column:
    """Return a column with its heading in English and Chinese; `rest` are the other fields of `Column`."""
    return Column(key, Phrase(heading, zh=zh), digits, **rest)


def metric_column(name: str) -> Column:
    """Return the column of a metric: its mean over the runs."""
    metric = METRICS[name]
    heading = Phrase(metric.heading, zh=metric.translated_heading)
    return Column(name, heading, metric.digits, "mean", make_cell=lambda c: mean_cell(c, name))


def of(make: Callable[..., Cell], path: str, scale: float = 1.0) -> Callable[[RunGroup], Cell]:
    """Return what makes a cell of the numbers at a dotted path of the results, scaled."""
    return lambda run_group: make(run_group, path, scale)


def per(path: str, scale: float) -> Callable[[RunGroup], Cell]:
    """Return what makes the headline per unit of a cost."""
    return lambda run_group: ratio_cell(run_group, HEADLINE, path, scale)


ROWS = (
    column("rank", "Rank", "排名", 0, kind="rank"),
    column("model", "Model", "模型", kind="words", make_cell=lambda c: words("{}", c.label)),
    column("technique", "Technique", "技术类别", kind="words", wide=True, make_cell=technique_cell),
    column("n", "n", "n", 0, make_cell=lambda c: number(len(c.runs), c.runs)),
    column("steps", "Steps", "步数", 0, make_cell=of(constant_cell, "training.steps")),
    column("best_top1", "Best epoch (%)", "最佳轮次 (%)", kind="mean", make_cell=of(mean_cell, "best.top1")),
    column("params_m", "Params (M)", "参数量 (M)", 3, make_cell=of(constant_cell, "model.params", MILLION)),
    column("macs_m", "MACs (M)", "MACs (M)", make_cell=of(constant_cell, "model.macs", MILLION)),
    column("flops_m", "FLOPs (M)", "FLOPs (M)", 1, make_cell=of(constant_cell, "model.macs", 2 * MILLION)),
    column("top1_per_m_params", "%/M params", "参数效率 (%/M)", 1, make_cell=per("model.params", 1 / MILLION)),
    column("top1_per_mmac", "%/MMAC", "MAC 效率 (%/M)", 3, wide=True, make_cell=per("model.macs", 1 / MILLION)),
    column("top1_per_mflop", "%/MFLOP", "FLOPs 效率 (%/M)", 3, make_cell=per("model.macs", 1 / MILLION / 2)),
    column("own_design", "Own", "自主设计", kind="words", make_cell=own_cell),
    column("stem", "Stem", "Stem", kind="words", make_cell=lambda c: words(stem_of(c.spec))),
    column("health", "Health", "健康度", kind="words", make_cell=health_cell),
    column("machine", "Machine", "设备", kind="words", tables=("training_cost",), make_cell=machine_cell),
    column("checkpoint_share", "Checkpoints (%)", "检查点 (%)", 3, make_cell=checkpoint_cell),
    column("training_pflop", "Training PFLOP", "训练 PFLOP", 3, make_cell=of(mean_cell, "training.flops", PETA)),
)
# The machine's noise is in these.
TIMES = (
    column("train_h", "Train (h)", "训练时间 (h)", 3, make_cell=of(time_cell, "seconds.train", HOUR)),
    column("eval_h", "Eval (h)", "评估时间 (h)", 3, wide=True, make_cell=of(time_cell, "seconds.eval", HOUR)),
    column("total_h", "Total (h)", "总时间 (h)", 3, make_cell=of(time_cell, "seconds.total", HOUR)),
    column("device_h", "Device-hours", "设备小时", 3, make_cell=device_hours_cell),
    column("images_per_s", "Images/s", "图像/秒", 0, wide=True, make_cell=of(time_cell, "images_per_second")),
    column("top1_per_h", "%/train h", "准确率/训练小时", 1, kind="interval", make_cell=per("seconds.train", 1 / HOUR)),
)
COLUMNS: dict[str, Column] = {row.key: row for row in (*ROWS, *map(of_time, TIMES))}


def find(*keys: str, wide: bool | None = None) -> tuple[Column, ...]:
    """Return the columns of some keys, metrics or those above; `wide` overrides whether they fit into a paper."""
    found = (metric_column(key) if key in METRICS else COLUMNS[key] for key in keys)
    return tuple(row if wide is None else replace(row, wide=wide) for row in found)


def appended(table: str) -> tuple[Column, ...]:
    """Return the columns that ask to stand at the end of a table."""
    return tuple(row for row in COLUMNS.values() if table in row.tables)


def other_metrics(run_groups: Sequence[RunGroup]) -> tuple[Column, ...]:
    """Return the columns of the metrics beside the headline that some run recorded."""
    names = [name for name in recorded_metrics(run_groups) if METRICS[name].in_tables and name != HEADLINE]
    return find(*names)


def cell(run_group: RunGroup, key: str) -> Cell:
    """Return a run group's cell in the column of a key."""
    return find(key)[0].cell(run_group)


def measure(run_group: RunGroup, columns: Sequence[Column]) -> dict[str, Cell]:
    """Return a run group's cells in those columns that are not the table's own."""
    return {row.key: row.cell(run_group) for row in columns if row.make_cell is not None}
