"""The contact sheet: what it shows, and what its command refuses."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch

from bench.data.augmentation.augment import train_batch
from bench.data.augmentation.plan import make_plan
from bench.data.show import captions, main, visible, write_contact_sheet
from bench.util.cli import BAD_INPUT, run_command
from tests.data.augmentation.reference import DECK, MEAN, STD, drawn_images, recipe

SPEC = """
model: {name: resnet_20}
data: {name: shapes100}
augmentation: {policy: trivial_augment_wide, erasing: 0.5}
batch_size: 128
max_duration: 1ep
optimizer: {name: sgd, lr: 0.1}
"""


def test_visible_undoes_the_normalisation() -> None:
    images, plain = torch.from_numpy(drawn_images(20)), recipe(policy="none", flip=False, crop_padding=0, erasing=0.0)
    batch = train_batch(images, torch.arange(20), seed=0, epoch=0, augmentation=plain, mean=MEAN, std=STD)
    assert np.array_equal(visible(batch, MEAN, STD), images.numpy())


def test_captions_say_what_was_done() -> None:
    plan = make_plan(torch.arange(50), seed=0, epoch=0, augmentation=DECK, size=(32, 32))
    words = captions(plan, DECK.policy, 32, 32)
    assert [("mirrored" in text) for text in words] == plan.flip.tolist()
    assert any("rotate -" in text for text in words)
    assert any(text.endswith("equalize") for text in words)


def test_sheet_is_an_image_with_the_originals_on_it(tmp_path: Path) -> None:
    images = np.zeros((3, 32, 32, 3), np.uint8)
    images[1] = (255, 0, 0)
    images[2] = (0, 0, 255)
    plain = recipe(policy="none", flip=False, crop_padding=0, erasing=0.0)
    file = tmp_path / "sheet.png"
    write_contact_sheet(images, np.arange(3), file, seed=0, epochs=2, augmentation=plain, mean=MEAN, std=STD)
    drawn = matplotlib.image.imread(file)
    for colour in ((0, 0, 0), (1, 0, 0), (0, 0, 1)):
        # Each of the three images is there three times, at the same size.
        assert (drawn[..., :3] == colour).all(-1).mean() > 0.15


def test_command_writes_a_sheet(bench_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.yaml").write_text(SPEC)
    arguments = ["-f", str(tmp_path / "run.yaml"), "--out", str(tmp_path / "sheet.png")]
    assert run_command(main, [*arguments, "--images", "2", "--epochs", "1", "augmentation.erasing=0"]) == 0
    assert "2 images of shapes100" in capsys.readouterr().out
    assert matplotlib.image.imread(tmp_path / "sheet.png").ndim == 3


@pytest.mark.parametrize("extra", [["--images", "0"], ["--epochs", "101"], ["--out", "no/such/folder/sheet.png"]])
def test_command_refuses(extra: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(main, ["-f", "yamls/resnet_20.yaml", "--out", "sheet.png", *extra]) == BAD_INPUT
    assert extra[1].split("/")[0] in capsys.readouterr().err
