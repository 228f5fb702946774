"""The weights beside a finished run are those that were evaluated, and plain PyTorch loads them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from bench.data.augmentation.augment import eval_batch
from bench.data.datasets import Dataset
from bench.evaluate.trained import load_trained, predict
from bench.records import WEIGHTS, read_run
from bench.zoo.build import build_model
from tests.engines.anew import CLASSES, evaluate_anew, run
from tests.resume.runs import compose, only_run


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("algorithm", [None, "ema={half_life: 2ba}", "swa={swa_start: 0.1dur}"])
def test_the_file_gives_the_headline(algorithm: str | None, easy: Dataset, tmp_path: Path) -> None:
    changes = [f"algorithms.{algorithm}"] if algorithm else []
    path = run(easy, tmp_path, "batch_size=16", "max_duration=2ep", *changes)
    network = build_model(read_run(path).model, CLASSES)
    network.load_state_dict(load_file(path / WEIGHTS))
    images = eval_batch(torch.from_numpy(np.array(easy.evaluation.images)), mean=easy.mean, std=easy.std)
    with torch.no_grad():
        logits = network.eval()(images)
    right = (logits.argmax(dim=1) == torch.from_numpy(np.array(easy.evaluation.labels))).float().mean()
    assert 100 * float(right) == pytest.approx(evaluate_anew(path, easy)["top1"])
    with safe_open(path / WEIGHTS, "pt") as file:
        assert file.metadata() == {"format": "pt", "model": "resnet_20", "stem": "", "options": "", "data": "easy"}


def test_an_average_of_two_processes_gives_the_headline_too(bench_data: Path, tmp_path: Path) -> None:
    """There EMA calls the weights by their names within DDP."""
    words = ["-f", "tests/small.yaml", "data.name=shapes100", "batch_size=32", "max_duration=6ba", f"runs={tmp_path}"]
    words += ["algorithms.ema={half_life: 2ba}", "wandb.enabled=false", "threads=1", "eval_batch_size=200"]
    process = compose("bench/train.py", words, bench_data)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    record = only_run(tmp_path)
    assert record.result is not None
    accuracy = predict(load_trained(record.path)).accuracy
    assert accuracy["loss"] == pytest.approx(record.result["loss"], rel=1e-4)
    build_model(record.model, record.result["data"]["classes"]).load_state_dict(load_file(record.path / WEIGHTS))
