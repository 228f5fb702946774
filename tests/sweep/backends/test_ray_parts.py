"""What a sweep on Ray decides and sends, without a cluster."""

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bench.sweep.backends.machine import MEMORY_OF_A_RUN, Machine
from bench.sweep.backends.ray.archive import drop_checkpoints, in_order, list_files, pack, settle_at, unpack
from bench.sweep.backends.ray.backend import choose_kind, kinds_so_far
from bench.sweep.backends.ray.connect import Node, capacity, cpus_each
from bench.sweep.backends.ray.nodes import Description, code_digest, describe_node, other_version, share_of_gpus
from bench.sweep.backends.ray.worker import Request, slots_of
from bench.sweep.train import main
from bench.util import extras
from bench.util.cli import run_command
from bench.util.errors import BadInput
from tests.conftest import REPOSITORY
from tests.sweep.conftest import WriteSuite, expand

CHECKPOINT = "checkpoints/ep000001-ba0000000010.pt"


def write(run: Path, **contents: str) -> None:
    for name, text in contents.items():
        path = run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def node(cpus: int, gpus: int = 0, memory: int = 2**40) -> Node:
    return Node("id", "a node", cpus, gpus, memory)


def test_an_archive_carries_a_run_but_for_its_lock_and_what_is_half_written(tmp_path: Path) -> None:
    contents = {"epochs.jsonl": "{}\n", CHECKPOINT: "weights", f"{CHECKPOINT}.sha256": "sum", "wandb/run.wandb": "w"}
    write(tmp_path / "there", **contents, **{"run.lock": "1", ".epochs.jsonl.1.tmp": "half"})
    (tmp_path / "there" / "link").symlink_to(tmp_path)
    for compress in (False, True):
        archive = io.BytesIO()
        pack(tmp_path / "there", [*list_files(tmp_path / "there"), "gone"], archive, compress=compress)
        archive.seek(0)
        here = tmp_path / f"here{compress}"
        unpack(archive, here)
        found = {name: (here / name).read_text() for name in list_files(here)}
        assert found == contents


def test_what_tells_that_something_is_whole_is_written_after_it() -> None:
    names = ["result.json", CHECKPOINT, f"{CHECKPOINT}.sha256", "weights.safetensors", "epochs.jsonl"]
    assert in_order(names) == [
        "epochs.jsonl",
        "weights.safetensors",
        f"{CHECKPOINT}.sha256",
        CHECKPOINT,
        "result.json",
    ] or (in_order(names).index(f"{CHECKPOINT}.sha256") < in_order(names).index(CHECKPOINT))
    assert in_order(names)[-1] == "result.json"


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../outside"])
def test_an_archive_cannot_leave_the_run_s_directory(name: str, tmp_path: Path) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as made:
        made.addfile(tarfile.TarInfo(name), io.BytesIO())
    archive.seek(0)
    with pytest.raises(BadInput, match="is no file of a run"):
        unpack(archive, tmp_path / "run")
    assert not (tmp_path / "outside").exists()


def test_an_archive_holds_no_links(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as made:
        link = tarfile.TarInfo("result.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(link)
    archive.seek(0)
    with pytest.raises(BadInput, match=r"'result\.json' is no file of a run"):
        unpack(archive, tmp_path / "run")


def test_a_record_names_its_own_place_and_the_node(tmp_path: Path) -> None:
    spec = {"runs": "/node/runs", "optimizer": {"lr": 1e-5}, "seed": 0}
    contents = {
        "spec.yaml": yaml.safe_dump(spec),
        "environment.json": json.dumps({"cpu": "x"}),
        "failed.json": json.dumps({"reason": "nan", "checkpoint": f"/node/runs/e/r/{CHECKPOINT}"}),
        "result.json": json.dumps({"spec": spec, "machine": {"cores": 2}}),
    }
    write(tmp_path / "there", **contents)
    archive, here = io.BytesIO(), tmp_path / "here"
    pack(tmp_path / "there", contents, archive, compress=True)
    archive.seek(0)
    unpack(archive, here, settle_at(here, "runs", {"kind": "a kind"}))
    moved = {**spec, "runs": "runs"}
    assert yaml.safe_load((here / "spec.yaml").read_text()) == moved
    read = {name: json.loads((here / f"{name}.json").read_text()) for name in ("environment", "failed", "result")}
    assert read["environment"] == {"cpu": "x", "kind": "a kind"}
    assert read["failed"]["checkpoint"] == str(here / CHECKPOINT)
    assert read["result"] == {"spec": moved, "machine": {"cores": 2, "kind": "a kind"}}


def test_checkpoints_are_pruned_as_on_the_node_but_never_all(tmp_path: Path) -> None:
    newer = CHECKPOINT.replace("1-", "2-")
    write(tmp_path, **{name: "x" for old in (CHECKPOINT, newer) for name in (old, f"{old}.sha256")})
    drop_checkpoints(tmp_path, {"epochs.jsonl": (1, 1)})
    assert len(list_files(tmp_path)) == 4
    drop_checkpoints(tmp_path, {newer: (1, 1), f"{newer}.sha256": (1, 1)})
    assert sorted(list_files(tmp_path)) == [newer, f"{newer}.sha256"]


@given(st.lists(st.integers(1, 64), min_size=1, max_size=5), st.integers(1, 4), st.integers(1, 40))
def test_runs_share_the_cpus_of_the_nodes(sizes: list[int], processes: int, workers: int) -> None:
    nodes = [node(cpus) for cpus in sizes]
    if capacity(nodes, processes, 0) < workers:
        with pytest.raises(BadInput, match="'workers'"):
            cpus_each(nodes, workers, processes, 0)
        return
    each = cpus_each(nodes, workers, processes, 0)
    assert each >= processes
    assert sum(size // each for size in sizes) >= workers
    assert sum(size // (each + 1) for size in sizes) < workers


def test_gpus_and_memory_bound_the_runs_of_a_node() -> None:
    assert capacity([node(16, 8), node(64)], 2, 2) == 4
    assert capacity([node(16, memory=5 * MEMORY_OF_A_RUN)], 1, 0) == 5
    assert capacity([node(2, memory=1)], 1, 0) == 1
    assert cpus_each([node(16, 8)], 4, 2, 2) == 2
    assert share_of_gpus(range(8), "0123", ["1", "2"]) == (2, 3, 4, 5)
    assert share_of_gpus(range(4), ["0"], ["MIG-1"]) == (0, 1, 2, 3)


def described(*kinds: str) -> list[tuple[Node, Description]]:
    return [(node(1), Description(kind, "digest", "commit")) for kind in kinds]


def test_a_suite_for_timing_is_trained_on_one_kind_of_node() -> None:
    nodes = described("old", "new", "new")
    assert choose_kind(nodes, set()) == "new"
    assert choose_kind(nodes, {"old"}) == "old"
    with pytest.raises(BadInput, match="were trained on gone; the cluster has 1 × old; 2 × new"):
        choose_kind(nodes, {"gone"})
    with pytest.raises(BadInput, match="several kinds of nodes: new; old"):
        choose_kind(nodes, {"old", "new"})


def test_the_kind_of_earlier_runs_is_known_from_their_records(small: None, write_suite: WriteSuite) -> None:
    runs = expand(write_suite()).runs
    assert kinds_so_far(runs) == set()
    for run, content in zip(runs, ('{"kind": "old"}', "{}"), strict=False):
        write(run.path, **{"environment.json": content})
    assert kinds_so_far(runs) == {"old"}


def test_a_node_with_other_code_is_named() -> None:
    here = describe_node()
    assert here.code == code_digest()
    assert other_version("node x", here, here) == ""
    other = Description(here.kind, "another", "commit 123456789abc")
    assert "node x has another version of this suite (commit 123456789abc)" in other_version("node x", other, here)


def test_without_ray_one_line_says_how_to_install_it(
    small: None, write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    path = write_suite()
    assert run_command(main, ["-f", str(path), "--backend", "ray"]) == 2
    told = capsys.readouterr().err
    needed = "--backend ray needs the package 'ray', which is not installed: pip install -e '.[ray]'"
    assert told == f"error: {needed}\n"
    assert not Path(expand(path).suite.runs).exists()


def test_options_of_ray_are_refused_elsewhere(
    small: None, write_suite: WriteSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(main, ["-f", str(write_suite()), "--address", "auto"]) == 2
    assert "--address is for --backend ray, not local" in capsys.readouterr().err


def test_ray_is_imported_only_where_it_is_chosen() -> None:
    code = (
        "import sys, bench.sweep.__main__, bench.sweep.train, bench.sweep.status, bench.tables.__main__; "
        "import bench.sweep.backends.ray.backend; print('ray' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_machine_with_more_cpus_than_cores_is_one_slot() -> None:
    here = describe_node()
    request = Request(None, None, 1, 8, 0, 0, False, here)  # type: ignore[arg-type]
    assert [slot.cores for slot in slots_of(Machine((0, 1)), request)] == [(0, 1)]
