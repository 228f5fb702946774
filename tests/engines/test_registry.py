"""Engines: those of the registry can be found; one more is a function and a row, with the records of all others."""

from pathlib import Path
from typing import Any

import pytest

from bench import train
from bench.config import YAMLS, load_spec
from bench.data.datasets import Dataset
from bench.engines.registry import ENGINES, EngineRow, find_engine
from bench.records import RunWriter, read_runs
from bench.spec import RunSpec, recipe_hash
from bench.util.cli import run_command
from bench.util.errors import BadInput

TOY = EngineRow("tests.engines.test_registry:toy_engine")


def toy_engine(spec: RunSpec, dataset: Dataset, writer: RunWriter, *rest: Any, **options: Any) -> dict[str, Any]:
    """Train nothing and say so."""
    writer.append_epoch({"epoch": 1, "batch": 1})
    result = {"status": "finished", "spec": spec.model_dump(mode="json"), "top1": 1.0, "top5": 5.0}
    result |= {"seconds": {"train": 0.0}, "classes": len(dataset.classes)}
    writer.finish(result)
    return result


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_is_there(name: str) -> None:
    assert callable(find_engine(name))


def test_an_engine_is_a_function_and_a_row(
    bench_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(ENGINES, "toy", TOY)
    words = ["-f", "tests/small.yaml", "engine=toy", "batch_size=32", f"runs={tmp_path}", "wandb.enabled=false"]
    assert run_command(train.main, words) == 0
    (record,) = read_runs(tmp_path)
    assert record.finished
    assert record.spec["engine"] == "toy"
    assert record.result is not None
    assert record.result["classes"] == 100


def test_the_recipe_is_the_same_on_every_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "toy", TOY)
    usual, toy = (load_spec(YAMLS / "resnet_20.yaml", words) for words in ([], ["engine=toy"]))
    assert recipe_hash(usual) == recipe_hash(toy)


def test_an_unknown_engine_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(BadInput, match=r"key 'engine': unknown engine 'compser'. Did you mean 'composer'\?"):
        load_spec(YAMLS / "resnet_20.yaml", ["engine=compser"])
