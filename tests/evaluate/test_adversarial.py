"""Attacks: against the closed form of a linear network, and their sanity on a trained one."""

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.evaluate import adversarial, trained
from bench.evaluate.adversarial import ATTACKS, BUDGETS, measure, show
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
        within = accuracies[: len(BUDGETS) + 1]
        assert all(after <= before for before, after in pairwise(within))
        assert within[-1] < within[0]
    assert measured["attacks"]["pgd"]["64"] == 0
    shown = show(measured)
    assert shown[1].startswith("fgsm")
    assert f"PGD 8/255 {measured['pgd_8_top1']:.2f} %" in shown[-1]


def test_the_batch_does_not_matter(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adversarial, "BUDGETS", (8,))
    found = load_trained(finished)
    seen: list[Tensor] = []
    keep = SimpleNamespace(fgsm=ATTACKS["fgsm"], pgd=ATTACKS["pgd"])

    def remember(images: Tensor, *rest: object) -> Tensor:
        seen.append(keep.pgd(images, *rest))
        return seen[-1]

    monkeypatch.setitem(ATTACKS, "pgd", remember)
    for batch in (trained.BATCH, 16):
        monkeypatch.setattr(adversarial, "BATCH", batch)
        measure(found, predict(found))
    assert [len(part) for part in seen] == [40, 16, 16, 8]
    # A value whose gradient is nearly 0 may take another sign by the last bit of a batch's products.
    same = (seen[0] - torch.cat(seen[1:])).abs() < 1e-6
    assert same.double().mean() > 0.99
