"""Run directories: where they lie, what they hold, who may write them."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.config import YAMLS, load_spec
from bench.records import EPOCHS, RESULT, RunWriter, read_epochs, read_run, read_runs, run_directory
from bench.spec import RunSpec
from bench.util.errors import BadInput
from bench.util.files import write_atomically
from tests.fake_runs import write_fake_run

ENVIRONMENT = {"python": "3"}


def make_spec(runs: Path, **changes: object) -> RunSpec:
    overrides = [f"runs={runs}", *(f"{key}={value}" for key, value in changes.items())]
    return load_spec(YAMLS / "quickstart.yaml", overrides)


def row(batch: int) -> dict[str, float]:
    return {"epoch": batch, "batch": batch}


def test_a_run_directory_is_experiment_and_run_name(tmp_path: Path) -> None:
    path = run_directory(make_spec(tmp_path, seed=3))
    assert path.parent == tmp_path / "quickstart"
    assert path.name.startswith("resnet_20-")
    assert path.name.endswith("-s3")


def test_a_run_cannot_leave_the_runs_folder(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "quickstart").symlink_to(tmp_path)
    with pytest.raises(BadInput, match="would leave the runs folder"):
        run_directory(make_spec(tmp_path / "runs"))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    spec = make_spec(tmp_path)
    writer = RunWriter(run_directory(spec))
    writer.claim(spec, ENVIRONMENT)
    writer.append_epoch(row(1))
    assert not read_run(writer.path).finished
    assert read_run(writer.path).spec == spec.model_dump(mode="json")
    writer.finish({"status": "finished", "spec": spec.model_dump(mode="json")})
    writer.release()
    (record,) = read_runs(tmp_path)
    assert record.finished
    assert record.run_id == f"quickstart/{writer.path.name}"
    assert record.epochs == [row(1)]
    assert (record.model, record.seed) == ("resnet_20", 0)


def test_two_writers_never_hold_the_same_run(tmp_path: Path) -> None:
    spec = make_spec(tmp_path)
    first, second = RunWriter(run_directory(spec)), RunWriter(run_directory(spec))
    first.claim(spec, ENVIRONMENT)
    before = sorted(p.name for p in first.path.iterdir())
    with pytest.raises(BadInput, match="another process"):
        second.claim(spec, ENVIRONMENT)
    assert sorted(p.name for p in first.path.iterdir()) == before
    first.release()
    second.claim(spec, ENVIRONMENT)
    second.release()


def test_a_torn_last_line_is_left_out_and_repaired(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path)
    writer.append_epoch(row(1))
    writer.append_epoch(row(2))
    with (tmp_path / EPOCHS).open("ab") as handle:
        handle.write(b'{"epoch": 3, "ba')
    assert [r["batch"] for r in read_epochs(tmp_path / EPOCHS)] == [1, 2]
    writer.restore_epochs([row(1)])
    writer.append_epoch(row(2))
    assert [r["batch"] for r in read_epochs(tmp_path / EPOCHS)] == [1, 2]


def test_an_atomic_write_leaves_the_old_file_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    write_atomically(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_full_runs_folder_is_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    spec = make_spec(tmp_path)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BadInput, match="No space left on device"):
        RunWriter(run_directory(spec)).claim(spec, ENVIRONMENT)


def test_a_runs_folder_that_cannot_be_made_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spec = make_spec(tmp_path / "file" / "runs")
    with pytest.raises(BadInput, match="cannot be written"):
        RunWriter(run_directory(spec)).claim(spec, ENVIRONMENT)


def test_a_missing_runs_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="start a run first"):
        read_runs(tmp_path / "none")


@pytest.mark.parametrize("content", ["{", "[]", "", '{"top1": NaN}', '{"top1": 1e999}', f'{{"top1": {"9" * 400}}}'])
def test_a_damaged_result_is_named(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "experiment" / "run"
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text("model: {name: x}\nseed: 0\n")
    (folder / RESULT).write_text(content)
    with pytest.raises(BadInput, match=RESULT):
        read_runs(tmp_path)


def test_nan_is_never_recorded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        RunWriter(tmp_path).append_epoch({"loss": float("nan")})
    assert (tmp_path / EPOCHS).read_bytes() == b""


@pytest.mark.parametrize(
    ("key", "value"), [("model", None), ("seconds", 3), ("top1", "high"), ("spec", {"optimizer": "sgd"}), ("data", [1])]
)
def test_a_result_of_another_shape_is_named(key: str, value: Any, tmp_path: Path) -> None:
    path = write_fake_run(tmp_path, "resnet_20")
    result = json.loads((path / RESULT).read_text())
    result[key] = {**result[key], **value} if isinstance(value, dict) else value
    (path / RESULT).write_text(json.dumps(result))
    with pytest.raises(BadInput, match=f"{RESULT}: '{'optimizer' if key == 'spec' else key}'"):
        read_runs(tmp_path)


def test_a_finished_run_needs_no_yaml_to_be_found(tmp_path: Path) -> None:
    path = write_fake_run(tmp_path, "resnet_20")
    (path / "spec.yaml").unlink()
    assert [record.path for record in read_runs(tmp_path)] == [path]
