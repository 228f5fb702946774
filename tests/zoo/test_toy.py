"""A new model is one builder and one line in MODELS: all checks run on it, and they find what is wrong with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.zoo import __main__ as command
from bench.zoo.counting.golden import read_golden
from bench.zoo.models import MODELS, Model, Stated
from tests.zoo.checks import CHECKS, make_subject


class Toy(nn.Module):
    """A convolution, a norm, an average pool and a linear layer."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the pooled features, N×8."""
        return self.norm(self.conv(x)).relu().mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


@pytest.fixture
def golden_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of a golden file of the test's own."""
    monkeypatch.setattr(command, "GOLDEN_PATH", tmp_path / "golden.json")
    return tmp_path / "golden.json"


def add(monkeypatch: pytest.MonkeyPatch, builder: Callable[[int], nn.Module], **row: Any) -> Model:
    """Add a builder to the zoo as "toy" and return its row."""
    monkeypatch.setitem(MODELS, "toy", Model(builder, "toy", "toy", "this test", **row))
    return MODELS["toy"]


def test_one_builder_and_one_line(
    monkeypatch: pytest.MonkeyPatch, golden_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # 3×3 weights and a bias of 8 filters, scale and shift, the head; each filter at 30×30 places.
    row = add(monkeypatch, Toy, variant_of="resnet_20", note="one layer", stated=Stated(8 * 28 + 16 + 900, 0.1952))
    assert command.main(["toy", "--update"]) == 0
    assert "toy" in capsys.readouterr().out
    subject = make_subject("toy", row, read_golden(golden_path))
    for check in CHECKS.values():
        check(subject)
    assert command.main(["--out", str(golden_path.parent / "reports")]) == 0
    report = (golden_path.parent / "reports" / "zoo.md").read_text()
    assert "| `toy` | toy | toy | 1,140 | 0.20 |" in report
    assert "this test; variant of resnet_20; one layer |" in report


class IgnoresClasses(Toy):
    def __init__(self, num_classes: int) -> None:
        super().__init__(100)


class DeadParameter(Toy):
    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.dead = nn.Parameter(torch.ones(8))

    def features(self, x: Tensor) -> Tensor:
        return super().features(x) + 0.0 * self.dead


class UnusedParameter(Toy):
    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.unused = nn.Parameter(torch.ones(8))


class NotANumber(Toy):
    def features(self, x: Tensor) -> Tensor:
        return (super().features(x) - 1e3).sqrt()


class SeesTheBatch(Toy):
    def features(self, x: Tensor) -> Tensor:
        features = super().features(x)
        return features - features.mean(0)


class HiddenState(Toy):
    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.hidden = torch.randn(8)

    def features(self, x: Tensor) -> Tensor:
        return super().features(x) + self.hidden


class ReadsMemory(Toy):
    def features(self, x: Tensor) -> Tensor:
        channels, height, width = x.shape[1:]
        return super().features(x.as_strided(x.shape, (channels * height * width, height * width, width, 1)))


class LosesDigits(Toy):
    """Its answer hangs on digits that bfloat16 does not keep."""

    def features(self, x: Tensor) -> Tensor:
        return (1e4 * super().features(x)).sin()


@pytest.mark.parametrize(
    ("builder", "check"),
    [
        (IgnoresClasses, "shapes"),
        (NotANumber, "shapes"),
        (DeadParameter, "training"),
        (UnusedParameter, "training"),
        (SeesTheBatch, "odd_batches"),
        (HiddenState, "state_dict"),
        (ReadsMemory, "channels_last"),
        (LosesDigits, "autocast"),
    ],
)
def test_a_bad_model_is_found(monkeypatch: pytest.MonkeyPatch, builder: Callable[[int], nn.Module], check: str) -> None:
    subject = make_subject("toy", add(monkeypatch, builder), {})
    with pytest.raises(AssertionError):
        CHECKS[check](subject)


@pytest.mark.parametrize("stated", [Stated(1_141, None), Stated(None, 0.21)])
def test_other_figures_than_stated_are_found(
    stated: Stated, monkeypatch: pytest.MonkeyPatch, golden_path: Path
) -> None:
    row = add(monkeypatch, Toy, stated=stated)
    assert command.main(["toy", "--update"]) == 0
    with pytest.raises(AssertionError):
        CHECKS["golden"](make_subject("toy", row, read_golden(golden_path)))


def test_other_figures_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = make_subject("toy", add(monkeypatch, Toy), {"toy": read_golden()["resnet_20"]})
    with pytest.raises(AssertionError):
        CHECKS["golden"](subject)
