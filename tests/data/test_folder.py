"""A folder of images becomes a data set: the pixels of torchvision, whatever stops it, and refusals in words."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from bench.data import convert, pixels
from bench.data.__main__ import main
from bench.data.datasets import load_dataset
from bench.data.image_tree import Tree, open_tree
from bench.data.pixels import Broken, read_image
from bench.util.cli import BAD_INPUT, OK, run_command
from bench.util.errors import BadInput
from tests.conftest import REPOSITORY
from tests.data.image_folder import CLASSES, KINDS, ORIENTATION, write_folder

IMAGES, SIZE = 400, 24


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """Return a folder of images in 20 classes, and its broken files."""
    folder = tmp_path_factory.mktemp("source")
    return folder, write_folder(folder, IMAGES, one_broken_in=50)


def words(source: Path, root: Path, *more: str) -> list[str]:
    """Return the words of the command."""
    known = ["folder", "--from", str(source), "--name", "own", "--size", str(SIZE), "--root", str(root)]
    return [*known, "--test-share", "0.2", *more]


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a data set."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "normalisation.json"}


@pytest.fixture(scope="module")
def made(source: tuple[Path, list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data root with the folder converted at one go."""
    root = tmp_path_factory.mktemp("root")
    assert run_command(main, words(source[0], root, "--skip-broken", "0.05")) == OK
    return root


def test_every_whole_image_is_there_with_its_class(made: Path, source: tuple[Path, list[Path]]) -> None:
    folder, broken = source
    data = load_dataset("own", made)
    assert data.classes == tuple(f"class {number:02d}" for number in range(CLASSES))
    assert len(data.train) + len(data.evaluation) == IMAGES - len(broken)
    assert isinstance(data.train.images, np.memmap)
    expected: dict[str, list[tuple[int, bytes]]] = {"train": [], "test": []}
    for item in Tree(folder, 0.2).items():
        if item.path not in broken:
            expected[item.part].append((item.label, read_image(item.path, SIZE).tobytes()))
    for part, split in (("train", data.train), ("test", data.evaluation)):
        assert [(int(label), image.tobytes()) for image, label in zip(split.images, split.labels, strict=True)] == (
            expected[part]
        )
    listed = (made / "own" / "broken.txt").read_text().splitlines()
    assert [line.partition(": ")[0] for line in listed] == sorted(str(path.relative_to(folder)) for path in broken)
    assert all(line.partition(": ")[2] for line in listed)


def test_pixels_are_torchvisions(source: tuple[Path, list[Path]]) -> None:
    folder, broken = source
    crop = transforms.Compose([transforms.Resize(SIZE), transforms.CenterCrop(SIZE)])
    seen = set()
    for item in Tree(folder, 0.2).items():
        if item.path in broken:
            continue
        with Image.open(item.path) as image:
            plain = image.mode != "I;16" and image.getexif().get(ORIENTATION) is None
            seen.add((image.mode, item.path.suffix))
            if plain:
                np.testing.assert_array_equal(read_image(item.path, SIZE), np.asarray(crop(image.convert("RGB"))))
    assert len(seen) >= len(KINDS)


def test_sixteen_bits_become_their_upper_eight(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 2**16, (40, 40)).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    grey = Image.fromarray((values >> 8).astype(np.uint8))
    grey.save(tmp_path / "flat.png")
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png", 20), read_image(tmp_path / "flat.png", 20))


def test_an_image_that_lies_on_its_side_is_turned(tmp_path: Path) -> None:
    image = Image.effect_noise((40, 30), 80).convert("RGB")
    image.save(tmp_path / "upright.png")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "turned.png", 16), read_image(tmp_path / "upright.png", 16))


def test_what_memory_could_not_hold_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (1, 1000)).save(tmp_path / "strip.png")
    with pytest.raises(Broken, match=r"more than 100 times the other \(1×1000 pixels\)"):
        read_image(tmp_path / "strip.png", SIZE)
    monkeypatch.setattr(pixels.Image, "MAX_IMAGE_PIXELS", 400)
    with pytest.raises(Broken, match="decompression bomb"):
        read_image(tmp_path / "strip.png", SIZE)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(Broken, match="it is no file"):
        read_image(tmp_path / "pipe.png", SIZE)


# Slows each image down, so that the kill comes in mid-way.
SLOWLY = """
import sys, time
from bench.data import convert
from bench.data.__main__ import main
fast = convert.read_image
def slow(*words):
    time.sleep(0.01)
    return fast(*words)
convert.read_image, convert.CHUNK = slow, 16
main(sys.argv[1:])
"""


def test_killed_in_mid_way_and_continued_it_ends_with_the_same_bytes(
    made: Path, source: tuple[Path, list[Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = words(source[0], tmp_path, "--skip-broken", "0.05")
    partial = tmp_path / ".own.partial"
    for least in (50, 150):
        process = subprocess.Popen([sys.executable, "-c", SLOWLY, *command, "--workers", "1"], cwd=REPOSITORY)
        while convert.read_source(partial).get("done", {}).get("files", 0) < least:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "own").exists()
    done = convert.read_source(partial)["done"]["files"]
    assert least <= done < IMAGES
    with (partial / "train_images.npy").open("ab") as file:
        file.write(b"torn")
    assert run_command(main, command) == OK
    assert f"{done} of them were done before" in capsys.readouterr().err
    assert contents(tmp_path / "own") == contents(made / "own")
    assert not partial.exists()


def test_broken_files_are_refused_by_name_unless_they_may_be_skipped(
    source: tuple[Path, list[Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str], made: Path
) -> None:
    folder, broken = source
    assert run_command(main, words(folder, tmp_path)) == BAD_INPUT
    said = capsys.readouterr().err
    assert min(str(path.relative_to(folder)) for path in broken) in said
    assert f"{len(broken)} of {IMAGES} files are broken" in said
    assert "With --skip-broken 0.02 the same command leaves them out" in said
    assert not (tmp_path / "own").exists()
    assert run_command(main, words(folder, tmp_path, "--skip-broken", "0.02")) == OK
    assert f"{IMAGES} of them were done before" in capsys.readouterr().err
    assert contents(tmp_path / "own") == contents(made / "own")


def test_what_is_there_is_not_made_twice_nor_taken_for_another(
    source: tuple[Path, list[Path]], made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(main, words(source[0], made)) == OK
    assert "is already there: " in capsys.readouterr().out
    assert run_command(main, words(source[0], made, "--size", "16")) == BAD_INPUT
    assert "not made of these images by these settings; add --force" in capsys.readouterr().err


def test_a_tree_with_test_images_needs_no_share(tmp_path: Path) -> None:
    for number, place in enumerate(("train/cat", "train/dog", "val/cat", "val/dog", "val/dog/more")):
        (tmp_path / "tree" / place).mkdir(parents=True)
        Image.new("RGB", (30 + number, 40), (number, 0, 0)).save(tmp_path / "tree" / place / "x.png")
    (tmp_path / "tree" / "val" / "dog" / "notes.txt").write_text("no image")
    # Test images without classes, as ImageNet's: not what is meant.
    (tmp_path / "tree" / "test").mkdir()
    (tmp_path / "tree" / "test" / "x.png").write_bytes(b"")
    command = words(tmp_path / "tree", tmp_path)
    command = command[: command.index("--test-share")]
    assert run_command(main, command) == OK
    data = load_dataset("own", tmp_path)
    assert data.evaluation.images[:, 0, 0, 0].tolist() == [2, 3, 4]
    assert (data.train.labels.tolist(), data.evaluation.labels.tolist()) == ([0, 1], [0, 1, 1])
    with pytest.raises(BadInput, match="has a folder of test images already"):
        open_tree(tmp_path / "tree", 0.1)
    (tmp_path / "tree" / "val" / "fish").mkdir()
    with pytest.raises(BadInput, match="'fish' differs"):
        open_tree(tmp_path / "tree", None)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--from", "{tmp}/none"], "there is no such folder"),
        (["--from", "{tmp}"], "holds 0 sub-folders; at least two classes are needed"),
        (["--name", "cifar10"], "`python -m bench.data cifar10` makes"),
        (["--name", "../out"], "allowed are letters, digits"),
        (["--size", "4"], "allowed are 8 to 1024 pixels"),
        (["--test-share", "0"], "allowed are shares above 0"),
    ],
)
def test_what_cannot_be_converted_is_refused(
    more: list[str], said: str, source: tuple[Path, list[Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "root").mkdir()
    command = words(source[0], tmp_path / "root", *(word.format(tmp=tmp_path) for word in more))
    if "{tmp}" in more:
        (tmp_path / "root").rmdir()
    assert run_command(main, command) == BAD_INPUT
    assert said in capsys.readouterr().err


def test_without_a_test_set_the_flag_that_makes_one_is_named(source: tuple[Path, list[Path]]) -> None:
    with pytest.raises(BadInput, match=r"no folders train/ and test/, val/, validation/ in it; --test-share 0\.1"):
        open_tree(source[0], None)


def test_the_share_is_keyed_by_the_path_alone(source: tuple[Path, list[Path]]) -> None:
    folder, _ = source
    tested = {item.path for item in Tree(folder, 0.2).items() if item.part == "test"}
    assert len(tested) == pytest.approx(0.2 * IMAGES, rel=0.3)
    assert {item.path for item in Tree(folder, 0.1).items() if item.part == "test"} < tested
