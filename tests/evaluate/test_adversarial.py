"""Attacks: against the closed form of a linear network and another toolbox, and their sanity on a trained one."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescent
from art.estimators.classification import PyTorchClassifier
from torch import Tensor, nn

from bench.evaluate import adversarial, trained
from bench.evaluate.adversarial import (
    ATTACKS,
    BUDGETS,
    STEP_SHARE,
    STEPS,
    Loss,
    classified,
    measure,
    percent,
    show,
)
from bench.evaluate.trained import load_trained, predict
from tests.evaluate.conftest import Train

ROWS = torch.arange(60)


def linear(seed: int = 0) -> tuple[nn.Linear, Tensor, Tensor]:
    """Return a linear network of two classes, images far from black and white, and its own classes of them."""
    torch.manual_seed(seed)
    network = nn.Linear(12, 2).double()
    images = 0.3 + 0.4 * torch.rand(60, 3, 2, 2, dtype=torch.float64)
    return network, images, network(images.flatten(1)).argmax(dim=1)


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("budget", [0.0, 0.01, 0.03, 0.1])
def test_of_a_linear_network_the_margin_falls_by_the_closed_form(name: str, budget: float) -> None:
    """The best attack lowers the difference of two logits by the budget times the sum of |weight differences|."""
    network, images, labels = linear()
    attacked = ATTACKS[name](
        images, lambda x: F.cross_entropy(network(x.flatten(1)), labels, reduction="sum"), budget, ROWS
    )
    sign = 1 - 2 * labels.double()

    def margin(x: Tensor) -> Tensor:
        return sign * (network(x.flatten(1))[:, 0] - network(x.flatten(1))[:, 1])

    fall = budget * (network.weight[0] - network.weight[1]).abs().sum()
    torch.testing.assert_close(margin(attacked), margin(images) - fall)
    assert (attacked - images).abs().max() <= budget + 1e-12


@pytest.mark.parametrize("name", ATTACKS)
def test_images_stay_images(name: str) -> None:
    network, images, labels = linear()
    images = (images > 0.5).double()
    attacked = ATTACKS[name](
        images, lambda x: F.cross_entropy(network(x.flatten(1)), labels, reduction="sum"), 0.2, ROWS
    )
    assert (attacked.min(), attacked.max()) == (0, 1)


def test_pgd_raises_a_curved_loss_more_than_fgsm() -> None:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 32), nn.Tanh(), nn.Linear(32, 2)).double()
    images, labels = torch.rand(60, 3, 2, 2, dtype=torch.float64), torch.randint(0, 2, (60,))

    def loss(x: Tensor) -> Tensor:
        return F.cross_entropy(network(10 * (x - 0.5)), labels, reduction="sum")

    found = {name: float(loss(attack(images, loss, 0.2, ROWS))) for name, attack in ATTACKS.items()}
    assert found["pgd"] > found["fgsm"] > float(loss(images))


@pytest.mark.parametrize("budget", BUDGETS)
def test_the_attacks_are_those_of_the_adversarial_robustness_toolbox(
    budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the images themselves: the toolbox draws its random places as it likes."""
    monkeypatch.setattr(
        adversarial, "keyed_uniform", lambda seed, epoch, rows, draws: torch.full((len(draws), 60), 0.5)
    )
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU())
    network = nn.Sequential(body, nn.Flatten(), nn.Linear(8 * 5 * 5, 10)).eval()
    images, labels, bound = torch.rand(60, 3, 16, 16), torch.randint(0, 10, (60,)), budget / 255
    theirs = PyTorchClassifier(network, nn.CrossEntropyLoss(), (3, 16, 16), 10, clip_values=(0, 1), device_type="cpu")
    attacks = {
        "fgsm": FastGradientMethod(theirs, eps=bound),
        "pgd": ProjectedGradientDescent(
            theirs, eps=bound, eps_step=STEP_SHARE * bound, max_iter=STEPS, num_random_init=0, verbose=False
        ),
    }
    assert attacks.keys() == ATTACKS.keys()
    for name, attack in attacks.items():
        expected = torch.from_numpy(attack.generate(images.numpy(), labels.numpy()))
        attacked = ATTACKS[name](images, lambda x: F.cross_entropy(network(x), labels, reduction="sum"), bound, ROWS)
        # A value whose gradient is nearly 0 may take another sign by the last bit of a product.
        assert ((attacked - expected).abs() < 1e-6).double().mean() > 0.999, name
        assert (attacked - images).abs().max() > 0.99 * bound


@pytest.mark.filterwarnings("ignore")
def test_a_trained_network_is_right_less_often_the_larger_the_budget(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adversarial, "BUDGETS", (0, *BUDGETS, 64))
    found = load_trained(train("max_duration=15ep", "optimizer.lr=0.05"), split="train")
    measured = measure(found, predict(found))
    assert measured["clean_top1"] > 50
    for name in ATTACKS:
        accuracies = list(measured["attacks"][name].values())
        assert accuracies[0] == measured["clean_top1"] == predict(found).accuracy["top1"]
        assert accuracies[len(BUDGETS)] < accuracies[0]
    assert measured["attacks"]["pgd"]["64"] == 0
    # Each budget by itself, on all images, whatever smaller ones found.
    labels, rows = predict(found).labels, torch.arange(len(found.dataset.evaluation))
    for name, attack in ATTACKS.items():
        budgets = (0, *BUDGETS)
        alone = [percent(classified(found, labels, rows, attack, budget / 255)) for budget in budgets]
        assert alone[0] > alone[-1]
        assert all(after <= before for before, after in pairwise(alone))
        # But for an image that rounding decides, since fewer images are attacked at a time.
        image = 100 / len(rows)
        assert all(measured["attacks"][name][str(b)] <= right + image for b, right in zip(budgets, alone, strict=True))
        assert measured["attacks"][name]["8"] <= alone[-1]
    shown = show(measured)
    assert shown[1].startswith("fgsm")
    assert f"PGD 8/255 {measured['pgd_8_top1']:.2f} %" in shown[-1]
    # Nothing is left to attack within a larger one.
    monkeypatch.setattr(adversarial, "BUDGETS", (64, 128))
    assert measure(found, predict(found))["attacks"]["pgd"] == {"64": 0, "128": 0}


def test_the_batch_does_not_matter(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = load_trained(finished)
    seen: list[Tensor] = []

    def remember(images: Tensor, loss: Loss, budget: float, rows: Tensor) -> Tensor:
        seen.append(ATTACKS["pgd"](images, loss, budget, rows))
        return seen[-1]

    for batch in (trained.BATCH, 16):
        monkeypatch.setattr(adversarial, "BATCH", batch)
        classified(found, predict(found).labels, ROWS[:40], remember, 8 / 255)
    assert [len(part) for part in seen] == [40, 16, 16, 8]
    # A value whose gradient is nearly 0 may take another sign by the last bit of a batch's products.
    same = (seen[0] - torch.cat(seen[1:])).abs() < 1e-6
    assert same.double().mean() > 0.99
