"""The metrics of a run as one dict: name → what computes it, and how records, W&B, tables and curves show it.

A metric is measured on every image of each evaluation; some are measured on the steps of training too. A new one is a
row here and the function that it names. It then stands in `epochs.jsonl` as `eval_NAME` (of training `train_NAME`), in
`result.json` and W&B's summary as NAME, in W&B's history as `eval/NAME` (`train/NAME`), in a column of the comparison
and in the curves.

What computes a metric needs torch: it is written "module:function" and imported only where it is computed, so that
tables and figures read this dict without it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# How training measures what its steps minimise: the mean over steps of the loss, which Composer averages over ranks.
STEP_LOSS = "step_loss"


def mean(sums: Sequence[float], images: int) -> float:
    """Return the mean over images."""
    return sums[0] / images


def percentage(sums: Sequence[float], images: int) -> float:
    """Return the share of images in percent."""
    return 100 * sums[0] / images


@dataclass(frozen=True)
class Quantity:
    """A number that is measured, and how tables show it; `words` is its name in a sentence."""

    words: str
    heading_zh: str
    unit: str = field(default="", kw_only=True)
    higher_is_better: bool = field(default=True, kw_only=True)
    digits: int = field(default=2, kw_only=True)

    @property
    def heading(self) -> str:
        """Return its heading in tables and its label in figures: "Top-1 (%)"."""
        return with_unit(self.words[:1].upper() + self.words[1:], self.unit)

    @property
    def translated_heading(self) -> str:
        """Return its heading in Chinese."""
        return with_unit(self.heading_zh, self.unit)

    def format(self, value: float, digits: int | None = None) -> str:
        """Return a value without its unit."""
        return f"{value:.{self.digits if digits is None else digits}f}"

    def say(self, value: float, digits: int | None = None) -> str:
        """Return a value in words: "top-1 68.40 %"."""
        return f"{self.words} {self.format(value, digits)} {self.unit}".rstrip()


@dataclass(frozen=True)
class Metric(Quantity):
    """One metric of a run.

    `sums` names, as "module:function", the function of a batch's logits (N×classes) and labels (N) that returns a
    tensor of one or more numbers. These are added up over batches, in int64 or float64, and over ranks; `finish` makes
    the metric of the sums and the number of images. `training` names such a function for the batches of training, or is
    STEP_LOSS; None: training does not measure it.
    """

    sums: str
    finish: Callable[[Sequence[float], int], float] = mean
    training: str | None = None
    in_tables: bool = True
    in_curves: bool = True


def with_unit(heading: str, unit: str) -> str:
    """Return a heading with its unit, if there is one."""
    return f"{heading} ({unit})" if unit else heading


METRICS: dict[str, Metric] = {
    "loss": Metric(
        "loss",
        "损失",
        "bench.engines.metrics:cross_entropy",
        higher_is_better=False,
        digits=3,
        training=STEP_LOSS,
        in_tables=False,
    ),
    "top1": Metric(
        "top-1",
        "Top-1 准确率",
        "bench.engines.metrics:top1_hits",
        percentage,
        unit="%",
        training="bench.engines.metrics:training_hits",
    ),
    "top5": Metric("top-5", "Top-5 准确率", "bench.engines.metrics:top5_hits", percentage, unit="%", in_curves=False),
}
# What runs are ranked and compared by.
HEADLINE = "top1"


def trained_metrics() -> dict[str, str]:
    """Return the metrics that training measures, with how it does."""
    return {name: metric.training for name, metric in METRICS.items() if metric.training}


def row_columns() -> tuple[str, ...]:
    """Return the columns of a row of `epochs.jsonl` in their order."""
    measured = (*(f"train_{name}" for name in trained_metrics()), *(f"eval_{name}" for name in METRICS))
    return ("epoch", "batch", "samples", "lr", *measured, "eval_samples", "train_seconds", "eval_seconds")


def wandb_name(column: str) -> str:
    """Return the name under which W&B has a column of a row: `train_loss` is `train/loss`, `lr` is `progress/lr`."""
    group, _, rest = column.partition("_")
    return f"{group}/{rest}" if group in ("train", "eval") and rest else f"progress/{column}"


def wandb_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of an epochs file as W&B has it: what it tells, under W&B's names."""
    return {wandb_name(column): value for column, value in row.items() if value is not None}


def say_metrics(values: Mapping[str, Any], prefix: str = "") -> str:
    """Return in words the metrics of tables that a row or a result has, whose names may have a prefix there."""
    shown = [(metric, values.get(prefix + name)) for name, metric in METRICS.items() if metric.in_tables]
    return ", ".join(metric.say(value) for metric, value in shown if value is not None)
