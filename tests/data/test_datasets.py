"""Loading data sets: what comes back, what is refused and how it is said, the tuning split, the kept constants."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib import format as npy

from bench.data import shapes100
from bench.data.datasets import DATASETS, Split, data_root, load_dataset, tuning_indices
from bench.data.layout import open_images, read_labels
from bench.data.normalisation import mean_std
from bench.util.errors import BadInput

REPOSITORY = Path(__file__).parents[2]


def write_own(folder: Path, *, train: int = 60, test: int = 12, classes: int = 3, side: int = 5) -> Path:
    """Write a small data set of random bytes in the layout; label i is i modulo the number of classes."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, count in (("train", train), ("test", test)):
        np.save(folder / f"{part}_images.npy", random.integers(0, 256, (count, side, side + 1, 3), np.uint8))
        np.save(folder / f"{part}_labels.npy", np.arange(count, dtype=np.uint8) % classes)
    (folder / "classes.txt").write_text("".join(f"kind {number}\n" for number in range(classes)))
    return folder


def write_sparse(path: Path, shape: tuple[int, ...]) -> None:
    """Write a .npy of zero bytes of any size that takes no room on the disk."""
    with path.open("wb") as file:
        npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + int(np.prod(shape)))


def write_cifar(folder: Path, *, train: int = 50_000, side: int = 32) -> Path:
    """Write files of CIFAR-100's sizes, without classes.txt."""
    folder.mkdir(parents=True)
    for part, count in (("train", train), ("test", 10_000)):
        write_sparse(folder / f"{part}_images.npy", (count, side, side, 3))
        np.save(folder / f"{part}_labels.npy", (np.arange(count) % 100).astype(np.uint8))
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return write_own(tmp_path / "own")


def message(name: str, root: Path, split: str = "test") -> str:
    """Return the text of the BadInput that loading raises."""
    with pytest.raises(BadInput) as caught:
        load_dataset(name, root, split)  # type: ignore[arg-type]
    return str(caught.value)


def test_own_data_come_back_as_written(own: Path) -> None:
    data = load_dataset("own", own.parent)
    assert (data.name, data.split_name, data.classes) == ("own", "test", ("kind 0", "kind 1", "kind 2"))
    for part, split in (("train", data.train), ("test", data.evaluation)):
        np.testing.assert_array_equal(split.images, np.load(own / f"{part}_images.npy"))
        np.testing.assert_array_equal(split.labels, np.load(own / f"{part}_labels.npy"))
        assert isinstance(split.images, np.memmap)
        assert not split.images.flags.writeable
        assert split.labels.dtype == np.int64
        assert split.source_rows is None
    assert (len(data.train), len(data.evaluation)) == (60, 12)


@pytest.mark.parametrize("dtype", ["i1", ">i2", "u4", "<i8", ">u8"])
def test_labels_of_every_integer_type_become_int64(own: Path, dtype: str) -> None:
    np.save(own / "test_labels.npy", (np.arange(12) % 3).astype(dtype))
    labels = load_dataset("own", own.parent).evaluation.labels
    assert labels.dtype == np.int64
    assert labels.dtype.isnative
    np.testing.assert_array_equal(labels, np.arange(12) % 3)


def test_npy_of_version_2_is_read(own: Path) -> None:
    images = np.load(own / "test_images.npy")
    with (own / "test_images.npy").open("wb") as file:
        npy.write_array(file, images, version=(2, 0))
    np.testing.assert_array_equal(load_dataset("own", own.parent).evaluation.images, images)


def save(file: str, array: np.ndarray) -> Callable[[Path], None]:
    """Return a fault: another array in place of a file."""
    return lambda folder: np.save(folder / file, array, allow_pickle=True)


def cut(file: str, count: int) -> Callable[[Path], None]:
    """Return a fault: a file without its last bytes, or with more if the count is negative."""

    def fault(folder: Path) -> None:
        content = (folder / file).read_bytes()
        (folder / file).write_bytes(content[:-count] if count > 0 else content + b"x" * -count)

    return fault


def text(file: str, content: bytes) -> Callable[[Path], None]:
    """Return a fault: other bytes in place of a file."""

    def fault(folder: Path) -> None:
        (folder / file).write_bytes(content)

    return fault


def folder_instead(file: str) -> Callable[[Path], None]:
    """Return a fault: a folder in place of a file."""

    def fault(folder: Path) -> None:
        (folder / file).unlink()
        (folder / file).mkdir()

    return fault


def images(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    """Return an array of zeros."""
    return np.zeros(shape, dtype)


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no images": (lambda f: (f / "train_images.npy").unlink(), r"own/train_images\.npy is missing"),
    "no labels": (lambda f: (f / "test_labels.npy").unlink(), r"own/test_labels\.npy is missing"),
    "folder": (
        folder_instead("test_labels.npy"),
        r"test_labels\.npy cannot be read: Is a directory",
    ),
    "empty file": (text("train_images.npy", b""), r"train_images\.npy is not a \.npy file"),
    "text file": (text("train_labels.npy", b"0\n1\n2\n"), r"train_labels\.npy is not a \.npy file"),
    "zip file": (text("train_images.npy", b"PK\x03\x04" + bytes(200)), r"train_images\.npy is not a \.npy file"),
    "cut images": (cut("train_images.npy", 1), r"train_images\.npy is truncated: 5,527 bytes, .* needs 5,528"),
    "cut labels": (cut("test_labels.npy", 5), r"test_labels\.npy is truncated"),
    "cut header": (cut("test_labels.npy", 100), r"test_labels\.npy is not a \.npy file"),
    "longer": (cut("test_labels.npy", -3), r"test_labels\.npy is longer than its header says"),
    "three dimensions": (save("train_images.npy", images(60, 5, 6)), r"\(60, 5, 6\); allowed is N×H×W×3"),
    "channels first": (save("train_images.npy", images(60, 3, 5, 6)), r"\(60, 3, 5, 6\); allowed is N×H×W×3"),
    "float images": (save("test_images.npy", images(12, 5, 6, 3, dtype=np.float32)), r"float32; allowed is uint8"),
    "signed images": (save("test_images.npy", images(12, 5, 6, 3, dtype=np.int8)), r"int8; allowed is uint8"),
    "Fortran": (save("test_images.npy", np.asfortranarray(images(12, 5, 6, 3))), r"Fortran order"),
    "objects": (save("test_labels.npy", np.array([0, None] * 6, object)), r"test_labels\.npy holds Python objects"),
    "structured": (save("test_labels.npy", np.zeros(12, [("a", "u1")])), r"test_labels\.npy has the dtype .*integers"),
    "float labels": (save("test_labels.npy", np.zeros(12)), r"float64; allowed are integers"),
    "boolean labels": (save("test_labels.npy", np.zeros(12, bool)), r"bool; allowed are integers"),
    "two-dimensional labels": (save("test_labels.npy", np.zeros((12, 1), int)), r"\(12, 1\); allowed is one label"),
    "one label": (save("test_labels.npy", np.array(1)), r"\(\); allowed is one label"),
    "too few labels": (save("test_labels.npy", np.zeros(11, int)), r"12 images, test_labels\.npy 11 labels"),
    "label too large": (
        save("test_labels.npy", np.array([0, 1, 2, 3] * 3)),
        r"label 3 at index 3 \(3 such labels\); allowed are 0 to 2",
    ),
    "negative label": (
        save("train_labels.npy", np.array([0] * 59 + [-1])),
        r"label -1 at index 59; allowed are 0 to 2",
    ),
    "huge label": (save("test_labels.npy", np.array([2**64 - 1] * 12, np.uint64)), r"label 18446744073709551615"),
    "no rows": (save("train_images.npy", images(0, 5, 6, 3)), r"train_images\.npy holds no images"),
    "no label rows": (save("train_labels.npy", np.zeros(0, int)), r"train_labels\.npy holds no labels"),
    "other side": (
        save("test_images.npy", images(12, 6, 6, 3)),
        r"train_images\.npy is 5×6 pixels, test_images\.npy 6×6",
    ),
    "no classes.txt": (lambda f: (f / "classes.txt").unlink(), r"own/classes\.txt is missing"),
    "empty classes.txt": (text("classes.txt", b"\n"), r"classes\.txt is empty"),
    "blank class": (text("classes.txt", b"a\n\nb\n"), r"classes\.txt, line 2 is empty"),
    "class twice": (text("classes.txt", b"a\nb\na \n"), r"classes\.txt, line 3: 'a' is already on line 1"),
    "classes.txt not text": (text("classes.txt", b"\xff\xfe\n"), r"classes\.txt is not UTF-8"),
    "classes too few": (text("classes.txt", b"a\nb\n"), r"train_labels\.npy has the label 2 at index 2"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_files_are_refused_by_name(own: Path, fault: str) -> None:
    spoil, expected = FAULTS[fault]
    spoil(own)
    with pytest.raises(BadInput, match=expected):
        load_dataset("own", own.parent)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_damage_to_a_file_causes_anything_but_bad_input(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    np.save(path, np.zeros((2, 2, 2, 3), np.uint8))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    for read in (open_images, lambda file: read_labels(file, 100)):
        found = None
        with suppress(BadInput):
            found = read(path)
        assert found is None or len(found) > 0


def test_unknown_name_gets_the_nearest_including_own_folders(own: Path) -> None:
    assert "unknown data set 'cifar_100'. Did you mean 'cifar100'?" in message("cifar_100", own.parent)
    assert "Did you mean 'own'?" in message("owm", own.parent)
    assert "classes.txt" in message("owm", own.parent)
    assert "Did you mean 'tuning'?" in message("own", own.parent, "tunning")


@pytest.mark.parametrize("name", ["../own", "/etc", "", ".", "..", "own/", ".hidden", "a b"])
def test_a_name_cannot_leave_the_root(own: Path, name: str) -> None:
    assert "allowed are letters" in message(name, own.parent / "other")


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_absent_cifar_says_three_ways_to_go_on(tmp_path: Path, name: str) -> None:
    said = message(name, tmp_path)
    for way in (
        f"`python -m bench.data {name}`",
        f"BENCH_DATA (or data.root) to a folder that holds {name}/",
        "data.name=shapes100",
    ):
        assert way in said
    assert str(tmp_path / name) in said
    assert not list(tmp_path.iterdir())
    (tmp_path / name).mkdir()
    assert message(name, tmp_path) == said


def test_cifar_without_classes_file_has_made_up_names_and_published_constants(tmp_path: Path) -> None:
    write_cifar(tmp_path / "cifar100")
    data = load_dataset("cifar100", tmp_path)
    assert data.classes[0] == "class_00"
    assert data.classes[99] == "class_99"
    assert (data.mean, data.std) == ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761))
    assert data.evaluation.images.shape == (10_000, 32, 32, 3)


def test_cifar_of_another_size_is_refused(tmp_path: Path) -> None:
    write_cifar(tmp_path / "short" / "cifar100", train=49_999)
    assert "(49999, 32, 32, 3); cifar100 has (50000, 32, 32, 3)" in message("cifar100", tmp_path / "short")
    write_cifar(tmp_path / "large" / "cifar100", side=33)
    assert "cifar100 has (50000, 32, 32, 3)" in message("cifar100", tmp_path / "large")
    uneven = write_cifar(tmp_path / "uneven" / "cifar100") / "train_labels.npy"
    np.save(uneven, (np.arange(50_000) % 99).astype(np.uint8))
    assert "train_labels.npy has 505 to 506 images per class" in message("cifar100", tmp_path / "uneven")
    names = write_cifar(tmp_path / "names" / "cifar100") / "classes.txt"
    names.write_text("a\nb\n")
    assert "names 2 classes; cifar100 has 100" in message("cifar100", tmp_path / "names")


def test_real_cifar100_if_present() -> None:
    if not (data_root() / "cifar100").is_dir():
        pytest.skip("CIFAR-100 is not prepared here")
    data = load_dataset("cifar100")
    mean, std = mean_std(data.train.images)
    np.testing.assert_allclose(mean, data.mean, atol=2e-4)
    np.testing.assert_allclose(std, data.std, atol=3e-4)
    assert set(np.bincount(data.train.labels)) == {500}


def test_root_is_argument_then_variable_then_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BENCH_DATA", raising=False)
    assert data_root() == Path("data")
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    assert data_root() == tmp_path
    assert data_root("other") == Path("other")
    monkeypatch.setenv("BENCH_DATA", "~/sets")
    assert data_root() == Path.home() / "sets"
    monkeypatch.setenv("BENCH_DATA", "")
    assert data_root() == Path("data")


@settings(deadline=None)
@given(counts=st.lists(st.integers(0, 40), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_tuning_split_is_stratified_disjoint_and_complete(counts: list[int], seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    train, held = tuning_indices(labels)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, held])), np.arange(len(labels)))
    assert (np.diff(train) > 0).all()
    assert (np.diff(held) > 0).all()
    for number, count in enumerate(counts):
        share = int((labels[held] == number).sum())
        assert abs(share - count / 10) <= (0.5 if count >= 5 else 1)
        assert (share >= 1) == (count >= 2)


def test_tuning_split_of_cifar_size_is_45000_and_5000_and_fixed() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(100), 500))
    train, held = tuning_indices(labels)
    assert (len(train), len(held)) == (45_000, 5_000)
    assert set(np.bincount(labels[held])) == {50}
    np.testing.assert_array_equal(held, tuning_indices(labels)[1])
    # Golden: published results on this split depend on these rows.
    assert tuning_indices(np.zeros(50, int))[1].tolist() == [4, 8, 26, 29, 38]


def test_tuning_never_sees_the_test_images(own: Path) -> None:
    for part in ("test_images.npy",):
        np.save(own / part, np.full((12, 5, 6, 3), 255, np.uint8))
    data = load_dataset("own", own.parent, "tuning")
    assert (len(data.train), len(data.evaluation), data.split_name) == (54, 6, "tuning")
    stored, labels = np.load(own / "train_images.npy"), np.load(own / "train_labels.npy")
    rows = []
    for split in (data.train, data.evaluation):
        assert split.source_rows is not None
        np.testing.assert_array_equal(split.images, stored[split.source_rows])
        np.testing.assert_array_equal(split.labels, labels[split.source_rows])
        rows.append(split.source_rows)
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(60))


def test_tuning_needs_a_class_with_two_images(tmp_path: Path) -> None:
    write_own(tmp_path / "tiny", train=3)
    assert "nothing to hold out" in message("tiny", tmp_path, "tuning")
    assert len(load_dataset("tiny", tmp_path).train) == 3


def test_own_constants_are_exact_and_kept(own: Path) -> None:
    data = load_dataset("own", own.parent)
    exact = np.load(own / "train_images.npy").astype(np.float64) / 255
    np.testing.assert_allclose(data.mean, exact.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(data.std, exact.std((0, 1, 2)), rtol=1e-12)
    kept = own / "normalisation.json"
    record = json.loads(kept.read_text())
    assert record["mean"] == list(data.mean)
    # What is kept is used: it is not measured again as long as the images are the same.
    kept.write_text(json.dumps({**record, "mean": [0.25, 0.5, 0.75]}))
    assert load_dataset("own", own.parent).mean == (0.25, 0.5, 0.75)
    np.save(own / "train_images.npy", np.zeros((60, 5, 6, 3), np.uint8))
    assert load_dataset("own", own.parent).mean == (0, 0, 0)
    assert sorted(path.name for path in own.iterdir()) == sorted(
        [
            "classes.txt",
            "normalisation.json",
            *(f"{p}_{k}.npy" for p in ("train", "test") for k in ("images", "labels")),
        ]
    )


@pytest.mark.parametrize(
    "damage", ["", "[]", "{}", '{"mean": [1]}', '{"mean": [0,0,0], "std": [0,1,1], "images": null}']
)
def test_damaged_constants_are_measured_again(own: Path, damage: str) -> None:
    expected = load_dataset("own", own.parent)
    (own / "normalisation.json").write_text(damage)
    again = load_dataset("own", own.parent)
    assert (again.mean, again.std) == (expected.mean, expected.std)
    assert json.loads((own / "normalisation.json").read_text())["std"] == list(expected.std)


def test_constants_that_cannot_be_kept_are_still_given(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    before = set(own.iterdir())
    monkeypatch.setattr("os.fsync", refuse)
    data = load_dataset("own", own.parent)
    assert data.mean == mean_std(data.train.images)[0]
    assert set(own.iterdir()) == before


def test_chunks_do_not_change_the_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (37, 4, 4, 3), np.uint8)
    whole = mean_std(pixels)
    monkeypatch.setattr("bench.data.normalisation.CHUNK_BYTES", 100)
    assert mean_std(pixels) == whole


def test_a_constant_channel_can_be_divided_by() -> None:
    mean, std = mean_std(np.full((2, 3, 3, 3), 51, np.uint8))
    assert mean == (0.2, 0.2, 0.2)
    assert std == (1.0, 1.0, 1.0)


def test_registry_says_what_is_known() -> None:
    assert {"cifar10", "cifar100", "shapes100"} <= set(DATASETS)
    for row in DATASETS.values():
        assert (row.drawing is None) != (row.download is None)
        assert all(0.1 < value < 0.6 for value in row.mean + row.std)
    assert [DATASETS[name].classes for name in ("cifar10", "cifar100", "shapes100")] == [10, 100, 100]
    assert len(shapes100.CLASSES) == DATASETS["shapes100"].classes
    assert [name for name, row in DATASETS.items() if row.drawing] == ["shapes100"]


def test_length_of_a_split_is_its_number_of_labels() -> None:
    assert len(Split(np.zeros((4, 2, 2, 3), np.uint8), np.zeros(4, np.int64))) == 4


def test_data_code_needs_neither_torch_nor_composer() -> None:
    code = "import sys, bench.data.__main__; print({'torch', 'composer', 'torchvision'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout.strip() == "set()"
