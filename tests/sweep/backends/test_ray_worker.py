"""What the actor of a run does on its node, in this process and without Ray."""

import io
import json
from functools import partial
from pathlib import Path

import pytest

from bench.records import read_run
from bench.sweep.backends.locks import RunLock
from bench.sweep.backends.ray import worker as w
from bench.sweep.backends.ray.archive import list_files, pack, settle_at, unpack
from bench.sweep.backends.ray.nodes import describe_node
from bench.sweep.backends.ray.worker import Parcel, Request, RunWorker, new_folder
from bench.sweep.suite import PlannedRun
from tests.sweep.conftest import WriteSuite, expand
from tests.sweep.stand_in import stand_in_elsewhere
from tests.sweep.test_runner import wait_for

HERE = describe_node()


@pytest.fixture
def run(small: None, write_suite: WriteSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlannedRun:
    monkeypatch.setenv("BENCH_WORK", str(tmp_path / "work"))
    monkeypatch.setattr(w, "this_node", lambda: ("id", "node x"))
    return expand(write_suite()).runs[0]


def make_worker(run: PlannedRun, starts: Path, behaviour: str = "ok", **changes: object) -> RunWorker:
    launcher = partial(stand_in_elsewhere, json.dumps({run.spec.model.name: behaviour}), str(starts))
    options = {"cpus": 1, "gpus": 0, "memory": 0, "alone": False, "here": HERE, **changes}
    return RunWorker(Request(run.spec, launcher, 1, **options))  # type: ignore[arg-type]


def fetch(worker: RunWorker, parcel: Parcel, run: PlannedRun) -> None:
    archive = io.BytesIO()
    while archive.tell() < parcel.size:
        archive.write(worker.read(archive.tell()))
    archive.seek(0)
    unpack(archive, run.path, settle_at(run.path, run.spec.runs, {"kind": "a kind"}))


def test_a_run_goes_on_from_what_it_is_sent_and_its_record_comes_last(run: PlannedRun, tmp_path: Path) -> None:
    (run.path / "checkpoints").mkdir(parents=True)
    (run.path / "checkpoints/epoch").write_text("2")
    (run.path / "epochs.jsonl").write_text("".join(f'{{"epoch": {n}, "train_seconds": 1.0}}\n' for n in (1, 2, 3)))
    worker = make_worker(run, tmp_path / "starts.txt")
    assert worker.open() == ""
    archive = io.BytesIO()
    pack(run.path, list_files(run.path), archive, compress=False)
    worker.receive(archive.getvalue())
    worker.unpack()
    started = worker.start()
    assert started.running
    assert started.where.startswith("node x, core")
    wait_for(lambda: worker.look(0, -1).code == 0)
    look = worker.look(0, -1)
    assert b"trainer.py" in look.output
    assert worker.look(len(look.output), len(look.epochs or b"")).epochs is None
    fetch(worker, worker.pack(started.files, everything=False), run)
    assert read_run(run.path).result is None, "the record is written once, when all of it has come back"
    fetch(worker, worker.pack(started.files, everything=True), run)
    record = read_run(run.path)
    assert record.finished
    assert [row["epoch"] for row in record.epochs] == [1, 2, 3, 4]
    assert record.result is not None
    assert record.result["spec"]["runs"] == run.spec.runs
    assert record.result["machine"]["kind"] == "a kind"
    worker.close()
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["lock"]


def test_a_worker_waits_for_cores_that_others_use(run: PlannedRun, tmp_path: Path) -> None:
    one = make_worker(run, tmp_path / "starts.txt", "waiting", alone=True)
    other = make_worker(run, tmp_path / "starts.txt", alone=True)
    assert one.open() == other.open() == ""
    assert one.start().running
    assert other.start().where == "node x, the next free cores"
    one.close()
    wait_for(lambda: other.start().running)
    wait_for(lambda: other.look(0, -1).code == 0)
    other.close()


def test_a_worker_refuses_what_its_node_cannot_train(
    run: PlannedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = w.Description(HERE.kind, "another", "no commit")
    assert "node x has another version" in make_worker(run, tmp_path, here=other).open()
    assert make_worker(run, tmp_path, here=other, checked=frozenset({"id"})).open() == ""
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    mine = run.spec.model_copy(update={"data": run.spec.data.model_copy(update={"name": "mine"})})
    refused = make_worker(PlannedRun(mine, run.path, ()), tmp_path).open()
    assert refused.startswith("node x: unknown data set 'mine'.")
    (tmp_path / "file").touch()
    monkeypatch.setenv("BENCH_WORK", str(tmp_path / "file"))
    assert make_worker(run, tmp_path).open().startswith("node x: BENCH_WORK")


def test_folders_of_killed_workers_are_deleted_and_those_in_use_kept(tmp_path: Path) -> None:
    used, lock = new_folder(tmp_path)
    (tmp_path / "run-left").mkdir()
    (tmp_path / "run-left" / "lock").touch()
    new, other = new_folder(tmp_path)
    assert sorted(tmp_path.glob("run-*")) == sorted([used, new])
    assert not RunLock(used / "lock").acquire()
    for held in (lock, other):
        held.release()
