"""Calibration, against torchmetrics, scipy, scikit-learn's numbers and torch's own optimizer."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import binned_statistic
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from bench.data.datasets import load_dataset
from bench.evaluate import __main__ as command
from bench.evaluate.calibration import NOT_HELD_OUT, bin_rows, fit_temperature, measure, scores, show
from bench.evaluate.registry import CALIBRATION_BINS
from bench.evaluate.trained import load_trained, predict
from bench.util.cli import OK, run_command
from tests.evaluate.conftest import Train

SIZES = [(200, 6), (37, 3), (9, 2)]


def draws(images: int = 200, classes: int = 6) -> tuple[Tensor, Tensor]:
    """Return logits that know something about the labels, and the labels."""
    generator = np.random.RandomState(7)
    logits, labels = generator.randn(images, classes) * 2, generator.randint(0, classes, images)
    logits[np.arange(images), labels] += 1.5
    return torch.from_numpy(logits), torch.from_numpy(labels)


@pytest.mark.parametrize(("images", "classes"), SIZES)
def test_the_ece_is_torchmetrics(images: int, classes: int) -> None:
    logits, labels = draws(images, classes)
    expected = multiclass_calibration_error(logits, labels, num_classes=classes, n_bins=CALIBRATION_BINS, norm="l1")
    assert scores(logits, labels)["ece"] == pytest.approx(100 * float(expected), rel=1e-5)


def test_certain_and_wrong_is_the_worst_ece() -> None:
    logits = torch.tensor([[200.0, 0.0], [200.0, 0.0]])
    assert scores(logits, torch.tensor([1, 1]))["ece"] == pytest.approx(100)
    assert scores(logits, torch.tensor([0, 0]))["ece"] == pytest.approx(0)


def test_the_adaptive_ece_is_the_gap_in_scipys_bins_of_equally_many() -> None:
    logits, labels = draws(15 * 12)
    confidence, predicted = (values.numpy() for values in logits.softmax(dim=1).max(dim=1))
    edges = np.quantile(confidence, np.linspace(0, 1, CALIBRATION_BINS + 1), method="inverted_cdf")
    edges = np.concatenate([[0], (edges[1:-1] + np.sort(confidence)[12::12]) / 2, [1]])
    gap = (predicted == labels.numpy()) - confidence
    means, _, where = binned_statistic(confidence, gap, "mean", edges)
    assert np.bincount(where)[1:].tolist() == [12] * CALIBRATION_BINS
    assert scores(logits, labels)["adaptive_ece"] == pytest.approx(100 * np.abs(means).mean())


def test_likelihood_and_brier_score_are_scikit_learns() -> None:
    """log_loss and brier_score_loss(scale_by_half=False) of version 1.9.1 gave these of the same numbers."""
    found = scores(*draws())
    assert (found["nll"], found["brier"]) == pytest.approx((1.8802629074395885, 0.7992831777090472), rel=1e-12)


def test_bins_add_up_to_the_ece() -> None:
    logits, labels = draws()
    rows = bin_rows(logits, labels)
    assert sum(row["images"] for row in rows) == 200
    error = sum(row["images"] * abs(row["accuracy"] - row["confidence"]) for row in rows) / 200
    assert scores(logits, labels)["ece"] == pytest.approx(error)


def test_the_temperature_is_what_torchs_optimizer_finds() -> None:
    logits, labels = draws()
    inverse = torch.ones((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([inverse], max_iter=200, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(logits * inverse, labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert fit_temperature(logits, labels) == pytest.approx(1 / float(inverse), rel=1e-5)


def test_logits_that_are_three_times_too_large_have_a_temperature_of_three() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, 5, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=generator).squeeze(1)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3, rel=0.05)


def test_without_held_out_images_there_is_no_temperature(finished: Path) -> None:
    trained = load_trained(finished)
    measured = measure(trained, predict(trained))
    assert measured["nll"] == pytest.approx(predict(trained).accuracy["loss"])
    assert (measured["temperature"], measured["scaled_ece"]) == (None, None)
    assert show(measured)[-1] == NOT_HELD_OUT


def test_held_out_images_tell_the_temperature_and_none_scales_itself(train: Train, easy_root: Path) -> None:
    path = train("data.split=tuning", dataset=load_dataset("easy", easy_root, "tuning"))
    held, test = load_trained(path), load_trained(path, split="test")
    fitted = fit_temperature(predict(held).logits, predict(held).labels)
    on_held, on_test = (measure(trained, predict(trained)) for trained in (held, test))
    assert on_held["temperature"] == on_test["temperature"] == fitted
    scaled = scores(predict(test).logits.double() / fitted, predict(test).labels)
    assert on_test["scaled_ece"] == pytest.approx(scaled["ece"])
    at_its_own = scores(predict(held).logits.double() / fitted, predict(held).labels)
    assert on_held["scaled_nll"] > at_its_own["nll"]
    on_training = load_trained(path, split="train")
    assert measure(on_training, predict(on_training))["temperature"] is None


def test_the_same_weights_are_not_measured_twice(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / finished.name
    shutil.copytree(finished, path)
    words = [str(path), "--what", "calibration"]
    assert run_command(command.main, words) == OK
    first = capsys.readouterr().out
    kept = path / "evaluation" / "calibration.json"
    content = kept.read_text()

    def refuse(*_: object) -> None:
        raise AssertionError("classified again")

    with monkeypatch.context() as patch:
        patch.setattr("bench.evaluate.results.predict", refuse)
        assert run_command(command.main, words) == OK
        again = capsys.readouterr().out
        assert first.startswith(again.rstrip("\n"))
        with pytest.raises(AssertionError, match="classified again"):
            run_command(command.main, [*words, "--again"])
    for change in ({"checkpoint": {"sha256": "0" * 64}}, {"images": 39}, {"version": 0}, {"precision": "amp_bf16"}):
        kept.write_text(json.dumps({**json.loads(content), **change, "ece": -1.0}))
        assert run_command(command.main, words) == OK
        assert kept.read_text() == content, change
