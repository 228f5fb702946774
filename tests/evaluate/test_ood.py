"""Detection of foreign images, against torchmetrics."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torchmetrics.functional.classification import binary_auroc

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
    assert show(measured)[0].startswith("against 211 images of shapes100: OOD AUROC, softmax ")
    own = replace(trained, dataset=replace(trained.dataset, name="shapes100"))
    with pytest.raises(BadInput, match="it was trained on shapes100"):
        measure(own, predict(trained))
