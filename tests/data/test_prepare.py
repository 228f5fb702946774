"""Making data sets: whole or not at all, once however many start, the command line, the conversion of CIFAR."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.data import shapes100
from bench.data.__main__ import main
from bench.data.datasets import DATASETS, load_dataset, prepare_dataset
from bench.data.folders import make_folder
from bench.data.prepare import Sizes
from bench.util.cli import run_command
from bench.util.errors import BadInput
from tests.data.drawn import draw

REPOSITORY = Path(__file__).parents[2]
SMALL = Sizes(train=300, test=120, seed=5)
FILES = {"train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy", "classes.txt", "shapes100.json"}


def names(folder: Path) -> set[str]:
    """Return what a folder holds, apart from lock files."""
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def write_one(folder: Path) -> None:
    """Write a file as a data set's writer would."""
    (folder / "classes.txt").write_text("a\n")


def python(code: str, **variables: str) -> subprocess.Popen[str]:
    """Start a Python process in the repository."""
    environment = {**os.environ, **variables}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


# --- make_folder ---


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "set"
    assert make_folder(folder, write_one, own=["classes.txt"])
    assert not make_folder(folder, write_one, own=["classes.txt"])
    assert names(folder) == {"classes.txt"}
    assert names(folder.parent) == {"set"}


@pytest.mark.parametrize("raised", [KeyboardInterrupt, BadInput("no"), ValueError("no")])
def test_a_writer_that_raises_leaves_nothing(tmp_path: Path, raised: BaseException) -> None:
    def write(folder: Path) -> None:
        write_one(folder)
        raise raised

    with pytest.raises((KeyboardInterrupt, BadInput, ValueError)):
        make_folder(tmp_path / "set", write, own=[])
    assert not names(tmp_path)


def test_a_full_disk_is_said_and_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    make_folder(folder, write_one, own=["classes.txt"])

    def write(made: Path) -> None:
        write_one(made)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(BadInput, match=r"cannot write .*set: No space left on device\. Set BENCH_DATA"):
        make_folder(folder, write, own=["classes.txt"], force=True)
    assert names(tmp_path) == {"set"}
    assert (folder / "classes.txt").read_text() == "a\n"


def test_a_root_that_cannot_be_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot write"):
        make_folder(tmp_path / "file" / "set", write_one, own=[])


def test_force_replaces_a_folder_but_no_files_of_others(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "classes.txt").write_text("old\n")
    assert make_folder(folder, write_one, own=["classes.txt"], force=True)
    assert (folder / "classes.txt").read_text() == "a\n"
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(BadInput, match=r"also contains 'thesis\.tex'"):
        make_folder(folder, write_one, own=["classes.txt"], force=True)
    assert names(folder) == {"classes.txt", "thesis.tex"}
    assert names(tmp_path) == {"set"}


def test_force_on_a_link_replaces_the_link_not_its_target(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / "classes.txt").write_text("shared\n")
    (tmp_path / "set").symlink_to(target)
    assert make_folder(tmp_path / "set", write_one, own=["classes.txt"], force=True)
    assert (target / "classes.txt").read_text() == "shared\n"
    assert (tmp_path / "set" / "classes.txt").read_text() == "a\n"
    assert names(tmp_path) == {"set", "elsewhere"}


# --- shapes100 ---


def test_processes_that_start_at_once_draw_it_once(tmp_path: Path) -> None:
    code = f"""
        from pathlib import Path
        from bench.data.prepare import Sizes
        from bench.data.datasets import load_dataset, prepare_dataset
        made = prepare_dataset("shapes100", Path({str(tmp_path)!r}) / "shapes100", sizes=Sizes(2000, 100))
        print(made, len(load_dataset("shapes100", {str(tmp_path)!r}).train))
    """
    running = [python(code, RANK=str(rank)) for rank in range(4)]
    said = [(process.communicate()[0].split(), process.returncode) for process in running]
    assert sorted(said) == [(["False", "2000"], 0)] * 3 + [(["True", "2000"], 0)]
    assert names(tmp_path) == {"shapes100"}


def test_a_killed_process_leaves_nothing_that_passes_for_a_data_set(tmp_path: Path) -> None:
    code = f"""
        from pathlib import Path
        from bench.data.datasets import prepare_dataset
        prepare_dataset("shapes100", Path({str(tmp_path)!r}) / "shapes100")
    """
    process = python(code)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in tmp_path.glob(".shapes100.tmp-*/train_images.npy")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(names(tmp_path)) == 1
    assert not (tmp_path / "shapes100").exists()
    assert prepare_dataset("shapes100", tmp_path / "shapes100", sizes=SMALL)
    assert names(tmp_path) == {"shapes100"}
    assert len(load_dataset("shapes100", tmp_path).train) == 300


def test_the_first_use_draws_it_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(DATASETS, "shapes100", replace(DATASETS["shapes100"], train=300, test=120))
    data = load_dataset("shapes100", tmp_path)
    assert f"drawing shapes100 into {tmp_path / 'shapes100'} (300 + 120 images, once" in capsys.readouterr().err
    assert names(tmp_path / "shapes100") == FILES
    assert (len(data.train), len(data.evaluation), len(data.classes)) == (300, 120, 100)
    images, labels = draw("train", 300)
    np.testing.assert_array_equal(data.train.images, images)
    np.testing.assert_array_equal(data.train.labels, labels)
    np.testing.assert_array_equal(data.evaluation.images, draw("test", 120)[0])
    again = load_dataset("shapes100", tmp_path, "tuning")
    assert capsys.readouterr().err == ""
    assert (again.mean, again.std) == (shapes100.MEAN, shapes100.STD)
    assert len(again.train) + len(again.evaluation) == 300


def test_ranks_other_than_the_first_are_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "3")
    assert prepare_dataset("shapes100", tmp_path / "shapes100", sizes=SMALL)
    assert capsys.readouterr().err == ""


def test_other_sizes_than_those_there_need_force(tmp_path: Path) -> None:
    folder = tmp_path / "shapes100"
    assert prepare_dataset("shapes100", folder, sizes=SMALL)
    assert not prepare_dataset("shapes100", folder, sizes=SMALL)
    assert not prepare_dataset("shapes100", folder)
    with pytest.raises(BadInput, match=r"was drawn with version \d+, train 300, test 120, seed 5; add --force"):
        prepare_dataset("shapes100", folder, sizes=SMALL._replace(seed=6))
    assert prepare_dataset("shapes100", folder, sizes=Sizes(100, 50, 6), force=True)
    assert len(load_dataset("shapes100", tmp_path).train) == 100


@pytest.mark.parametrize(
    ("record", "said"),
    [({"version": 0}, "was drawn by version 0, this is version"), ([], "is corrupted"), (None, "is corrupted")],
)
def test_another_version_or_a_damaged_record_is_said(tmp_path: Path, record: Any, said: str) -> None:
    prepare_dataset("shapes100", tmp_path / "shapes100", sizes=SMALL)
    (tmp_path / "shapes100" / "shapes100.json").write_text(json.dumps(record) if record is not None else "{")
    with pytest.raises(BadInput, match=rf"{said}.*--force"):
        load_dataset("shapes100", tmp_path)


# --- CIFAR ---


def fake_cifar(train: int, test: int, classes: int = 100) -> Callable[[Path], Any]:
    """Return a downloader of random images that leaves an archive behind, as torchvision's does."""

    def fetch(folder: Path) -> tuple[Any, Any]:
        (folder / "archive.tar.gz").write_bytes(b"x" * 1000)
        random = np.random.default_rng(train)
        kinds = [f"cifar100 kind {number}" for number in range(classes)]
        return tuple(  # type: ignore[return-value]
            SimpleNamespace(
                data=random.integers(0, 256, (count, 32, 32, 3), np.uint8),
                targets=[number % classes for number in range(count)],
                classes=kinds,
            )
            for count in (train, test)
        )

    return fetch


def download_from(monkeypatch: pytest.MonkeyPatch, fetch: Callable[[Path], Any]) -> None:
    """Let CIFAR-100 be downloaded by another function."""
    monkeypatch.setitem(DATASETS, "cifar100", replace(DATASETS["cifar100"], download=fetch))


def test_cifar_is_converted_byte_for_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch = fake_cifar(50_000, 10_000)
    download_from(monkeypatch, fetch)
    assert prepare_dataset("cifar100", tmp_path / "cifar100")
    assert names(tmp_path / "cifar100") == FILES - {"shapes100.json"}
    data = load_dataset("cifar100", tmp_path)
    (tmp_path / "again").mkdir()
    for split, source in zip((data.train, data.evaluation), fetch(tmp_path / "again"), strict=True):
        assert (split.images == source.data).all()
        assert split.labels.tolist() == source.targets
    assert data.classes[7] == "cifar100 kind 7"
    assert not prepare_dataset("cifar100", tmp_path / "cifar100")


@pytest.mark.parametrize(
    ("fetch", "said"),
    [
        (fake_cifar(20, 10), r"\(20, 32, 32, 3\); cifar100 has \(50000, 32, 32, 3\)"),
        (fake_cifar(20, 10, classes=7), "names 7 classes|has the shape"),
        (fake_cifar(200, 200, classes=150), "label 100 at index 100"),
    ],
)
def test_a_wrong_download_is_refused_and_leaves_nothing(
    tmp_path: Path, fetch: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    download_from(monkeypatch, fetch)
    with pytest.raises(BadInput, match=said):
        prepare_dataset("cifar100", tmp_path / "cifar100")
    assert not names(tmp_path)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_without_a_network_the_three_ways_are_said(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("Temporary failure in name resolution")

    # torchvision's own downloader runs up to the point where it opens the connection.
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    with pytest.raises(BadInput, match=r"could not be downloaded: .*name resolution.*Three ways.*data\.name=shapes100"):
        prepare_dataset(name, tmp_path / name)
    assert not names(tmp_path)


# --- the command line ---


def command(*arguments: str) -> int:
    """Return the exit code of `python -m bench.data`."""
    return run_command(main, arguments)


def test_shapes100_is_prepared_and_checked_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ["--train", "300", "--test", "120", "--seed", "5", "--root", str(tmp_path)]
    assert command("check", "shapes100", "--root", str(tmp_path)) == 2
    assert "not drawn yet" in capsys.readouterr().err
    assert command("shapes100", *sizes) == 0
    assert "is ready: 300 training and 120 test images of 32×32 pixels in 100 classes" in capsys.readouterr().out
    assert command("shapes100", *sizes) == 0
    assert "is already there" in capsys.readouterr().out
    assert command("check", "shapes100", "--root", str(tmp_path)) == 0
    said = capsys.readouterr().out
    assert "training images per class: 3 to 3" in said
    assert "test images per class: 1 to 2" in said
    assert "measured mean (0." in said


def test_damage_is_said_and_force_mends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["shapes100", "--train", "100", "--test", "100", "--root", str(tmp_path)]
    assert command(*options) == 0
    images = tmp_path / "shapes100" / "test_images.npy"
    images.write_bytes(images.read_bytes()[:-1])
    assert command(*options) == 2
    assert "test_images.npy is truncated" in (said := capsys.readouterr().err)
    assert "--force makes it again" in said
    assert command(*options, "--force") == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cifar1000"], "Did you mean 'cifar100'?"),
        (["cifar100", "--train", "5"], "--train is for shapes100 only"),
        (["check", "shapes10"], "Did you mean 'shapes100'?"),
        (["check", "cifar100"], "Three ways"),
    ],
)
def test_bad_arguments_have_exit_code_2_and_write_nothing(
    tmp_path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*arguments, "--root", str(tmp_path)) == 2
    assert said in capsys.readouterr().err
    assert not names(tmp_path)


@pytest.mark.parametrize(
    "option", [["--train", "0"], ["--test", "-1"], ["--seed", "x"], ["--seed", "2147483648"], ["--oops"]]
)
def test_options_out_of_range_have_exit_code_2(tmp_path: Path, option: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command("shapes100", *option, "--root", str(tmp_path))
    assert caught.value.code == 2
    assert not names(tmp_path)


def test_show_has_arguments_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    show = ModuleType("bench.data.show")
    show.main = lambda arguments: len(arguments)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bench.data.show", show)
    assert command("show", "a", "--b", "c") == 3


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command("--help")
    assert caught.value.code == 0
    assert "example:\n  python -m bench.data cifar100" in capsys.readouterr().out
