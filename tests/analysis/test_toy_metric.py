"""A new metric is one row of METRICS and the function that it names: records, W&B, tables and curves follow."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch.nn.functional as F
from matplotlib.axes import Axes
from torch import Tensor
from torchmetrics.classification import MultilabelRankingAveragePrecision

from bench.analysis.cells import Column
from bench.analysis.metrics import METRICS, Metric
from bench.analysis.sources import make_source
from bench.analysis.wandb_source import read_online
from bench.data.datasets import Dataset
from bench.evaluate.trained import load_trained, predict
from bench.figures import style
from bench.figures.registry import FIGURES
from bench.records import RunRecord, read_runs
from tests.engines.anew import run
from tests.fake_runs import write_fake_run
from tests.tables.building import build, rows_of
from tests.training import read_wandb

NAME, HEADING = "mrr", "Reciprocal rank"


def reciprocal_ranks(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the sum over the images of 1 / the place of the right class among the likeliest."""
    higher = outputs > outputs.gather(1, labels[:, None])
    return (1 / (1 + higher.sum(dim=1))).sum()


FUNCTION = f"{__name__}:{reciprocal_ranks.__name__}"
TOY = Metric("reciprocal rank", "倒数排名", FUNCTION, digits=3, training=FUNCTION)


@pytest.fixture(scope="module")
def toy(easy: Dataset, easy_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunRecord]:
    """Add the metric in its one place, and return a run of two epochs that has been trained with it."""
    runs = tmp_path_factory.mktemp("runs")
    words = ["batch_size=16", "max_duration=2ep", "wandb.enabled=true", "precision=fp32", f"data.root={easy_root}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METRICS, NAME, TOY)
        patch.setenv("WANDB_MODE", "offline")
        run(easy, runs, *words)
        (record,) = read_runs(runs)
        yield record


def test_it_is_recorded_as_torchmetrics_has_it(toy: RunRecord) -> None:
    predictions, result = predict(load_trained(toy.path)), toy.result
    # The precision of the ranking of labels, of which each image has one, is its reciprocal rank.
    classes = predictions.logits.shape[1]
    expected = MultilabelRankingAveragePrecision(classes)(predictions.logits, F.one_hot(predictions.labels, classes))
    assert result is not None
    assert result[NAME] == pytest.approx(float(expected))
    assert result[NAME] == toy.epochs[-1][f"eval_{NAME}"] == predictions.accuracy[NAME]
    assert all(0 < row[f"{part}_{NAME}"] <= 1 for row in toy.epochs for part in ("train", "eval"))
    assert len({row[f"train_{NAME}"] for row in toy.epochs}) == 2


def test_wandb_has_it_both_ways(toy: RunRecord) -> None:
    config, history, summary = read_wandb(toy.path)
    assert toy.result is not None
    assert summary[NAME] == toy.result[NAME]
    online = SimpleNamespace(
        config=config, summary=summary, name=toy.path.name, group="", state="finished", scan_history=lambda: history
    )
    record = read_online(online)
    assert record.epochs == toy.epochs
    assert record.result is not None
    assert record.result[NAME] == toy.result[NAME]


def test_the_comparison_has_a_column_of_it_where_a_run_recorded_it(toy: RunRecord, tmp_path: Path) -> None:
    def column_of(runs: Path) -> list[Column]:
        return [column for column in build(runs, "comparison").columns if column.key == NAME]

    (column,) = column_of(toy.path.parent.parent)
    assert (column.heading.english(), column.heading.zh) == (HEADING, "倒数排名")
    (row,) = rows_of(build(toy.path.parent.parent, "comparison")).values()
    assert toy.result is not None
    assert row.cells[NAME].value == toy.result[NAME]
    write_fake_run(tmp_path, "resnet_20")
    assert column_of(tmp_path) == []


def test_its_curves_are_those_of_the_run(toy: RunRecord) -> None:
    with style.styled():
        figures = dict(FIGURES["training_curves"](make_source([toy], "").run_groups))
    (panel,) = (panel for panel in figures["training_curves_resnet_20"].axes if panel.get_ylabel() == HEADING)
    assert isinstance(panel, Axes)
    drawn = {str(line.get_label()): np.asarray(line.get_ydata()).tolist() for line in panel.lines}
    parts = {"train": "train", "evaluation": "eval"}
    assert drawn == {label: [row[f"{part}_{NAME}"] for row in toy.epochs] for label, part in parts.items()}
    overlaid = next(figure for name, figure in figures.items() if "by_technique" in name)
    assert {f"{HEADING}, train", f"{HEADING}, evaluation"} <= {panel.get_ylabel() for panel in overlaid.axes}
