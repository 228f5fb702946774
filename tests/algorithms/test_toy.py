"""A new algorithm is a class and one row: a YAML names it, it trains, and the tables tell runs with and without it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from composer.core import Algorithm, Callback, Event, State
from composer.loggers import Logger
from torch import Tensor

from algorithms.registry import ALGORITHMS, PLAIN, AlgorithmRow, Share
from bench.analysis.sources import make_source
from bench.config import load_spec
from bench.data.datasets import Dataset
from bench.records import read_runs
from bench.tables.ablations import ablation_builder
from bench.tables.measures import Options
from bench.util.errors import BadInput
from tests.tables.building import rows_of
from tests.training import train_here


class CentralizeGradients(Algorithm):
    """Take from each filter's gradient its mean, or a share of it (Yong et al., ECCV 2020)."""

    def __init__(self, share: float = 1.0) -> None:
        self.share = share

    def match(self, event: Event, state: State) -> bool:
        return event == Event.AFTER_TRAIN_BATCH

    def apply(self, event: Event, state: State, logger: Logger) -> None:
        for filters in filters_of(state):
            assert filters.grad is not None
            filters.grad -= self.share * filters.grad.mean(dim=(1, 2, 3), keepdim=True)


def filters_of(state: State) -> list[torch.nn.Parameter]:
    """Return the weights of the convolutions."""
    return [parameter for parameter in state.model.parameters() if parameter.ndim == 4]


class Watch(Callback):
    """Note the mean of each filter before and after training."""

    def __init__(self) -> None:
        self.means: list[Tensor] = []

    def fit_start(self, state: State, logger: Logger) -> None:
        self.means.append(torch.cat([filters.detach().mean(dim=(1, 2, 3)) for filters in filters_of(state)]))

    fit_end = fit_start


ROW = AlgorithmRow(
    f"{__name__}:{CentralizeGradients.__name__}", {"share": (Share, 1.0)}, "Yong et al., ECCV 2020", cost=PLAIN
)


ARMS = """
base: recipes/plain_30ep.yaml
model: {name: resnet_20}
arms:
  none: {}
  centralized: {algorithms: {centralize: {}}}
"""


def moved(easy: Dataset, runs: Path, *words: str) -> float:
    """Return by how much the mean of a filter moved at most in two steps of training."""
    usual = ["base=recipes/plain_30ep.yaml", "data.name=easy", "batch_size=32", "max_duration=1ep", "threads=1"]
    usual += ["schedule.warmup=0ep", "wandb.enabled=false", "optimizer.weight_decay=0", "precision=fp32"]
    watch = Watch()
    train_here(load_spec("yamls/resnet_20.yaml", [*usual, f"runs={runs}", *words]), easy, [watch])
    before, after = watch.means
    return float((after - before).abs().max())


def test_an_algorithm_is_a_class_and_a_row(easy: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ALGORITHMS, "centralize", ROW)
    without = moved(easy, tmp_path / "runs")
    assert moved(easy, tmp_path / "runs", "algorithms.centralize={}") < 1e-6 < 1e-3 < without
    specs: list[Any] = [record.spec["algorithms"] for record in read_runs(tmp_path / "runs")]
    assert {"centralize": {"share": 1.0}} in specs
    (tmp_path / "toy.yaml").write_text(ARMS, encoding="utf-8")
    source = make_source(read_runs(tmp_path / "runs"), "")
    table = ablation_builder(tmp_path / "toy.yaml")(source.run_groups, Options())
    assert list(rows_of(table, "arm")) == ["none", "+ centralize share=1.0"]
    with pytest.raises(BadInput, match=r"'centralize.share': 2.0: .* less than or equal to 1"):
        load_spec("yamls/resnet_20.yaml", ["algorithms.centralize={share: 2.0}"])
