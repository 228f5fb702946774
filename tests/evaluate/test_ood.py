"""Detection of foreign images, against torchmetrics."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_auroc

from bench.data.datasets import DATASETS
from bench.evaluate.ood import auroc, highest_probability, measure, negative_energy, show
from bench.evaluate.trained import load_trained, predict
from bench.util.errors import BadInput


@pytest.mark.parametrize("digits", [1, 6])
def test_the_auroc_is_torchmetrics(digits: int) -> None:
    generator = torch.Generator().manual_seed(digits)
    own, foreign = torch.randn(80, generator=generator) + 0.5, torch.randn(50, generator=generator)
    scores = torch.cat([own, foreign]).sigmoid().round(decimals=digits)
    expected = binary_auroc(scores, torch.tensor([1] * 80 + [0] * 50))
    assert auroc(scores[:80], scores[80:]) == pytest.approx(float(expected), rel=1e-6)


def test_the_scores_are_those_of_the_papers() -> None:
    logits = torch.tensor([[0.0, 0.0], [3.0, 1.0]])
    assert highest_probability(logits).tolist() == pytest.approx([0.5, 1 / (1 + torch.e**-2)])
    assert negative_energy(logits).tolist() == pytest.approx([torch.log(torch.tensor(2.0)).item(), 3.126928])


def test_a_run_is_measured_against_shapes100(finished: Path, small_data: Path) -> None:
    trained = replace(load_trained(finished), root=small_data)
    measured = measure(trained, predict(trained))
    assert measured["foreign_images"] == 211
    assert 0 < measured["ood_energy"] < 100
    assert (measured["near_softmax"], measured["near_energy"]) == (None, None)
    first, second = show(measured)
    assert first.startswith("against 211 images of shapes100: OOD AUROC (shapes100), softmax ")
    assert second == "not measured against cifar10: it is not in the data root, or is the network's own"
    own = replace(trained, dataset=replace(trained.dataset, name="shapes100"))
    with pytest.raises(BadInput, match="it was trained on shapes100"):
        measure(own, predict(trained))


def test_cifar10_is_the_nearer_foreign_set_where_it_is_there(
    finished: Path, small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("shapes100", "cifar10"):
        shutil.copytree(small_data / "shapes100", tmp_path / name)
    labels = np.arange(640) % 10
    np.save(tmp_path / "cifar10" / "train_labels.npy", labels)
    np.save(tmp_path / "cifar10" / "test_labels.npy", labels[:200])
    np.save(tmp_path / "cifar10" / "test_images.npy", np.load(tmp_path / "cifar10" / "test_images.npy")[:200])
    (tmp_path / "cifar10" / "classes.txt").unlink()
    monkeypatch.setitem(DATASETS, "cifar10", replace(DATASETS["cifar10"], train=640, test=200))
    trained = replace(load_trained(finished), root=tmp_path)
    measured = measure(trained, predict(trained))
    assert (measured["foreign_images"], measured["near_images"]) == (211, 200)
    assert 0 < measured["near_softmax"] < 100
    assert show(measured)[1].startswith("against 200 images of cifar10: OOD AUROC (CIFAR-10), softmax ")
    own = replace(trained, dataset=replace(trained.dataset, name="cifar10"))
    assert measure(own, predict(trained))["near_images"] == 0
