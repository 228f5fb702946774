"""No two runs of a host are on one core or GPU, whatever became of the sweeps that started them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest

from bench.sweep.backends import host as h
from bench.sweep.backends.host import HostLocks, everything, lock_folder, names_of
from bench.sweep.backends.local import LocalBackend
from bench.sweep.backends.machine import Machine, Slot, usable_cores
from bench.sweep.backends.registry import BACKENDS
from bench.sweep.backends.tree import Tree
from bench.sweep.suite import PlannedRun
from bench.sweep.train import main
from bench.util.cli import run_command
from bench.util.errors import BadInput
from tests.sweep.conftest import WriteSuite, expand, read_starts
from tests.sweep.stand_in import stand_in
from tests.sweep.test_runner import start_driver, wait_for

WHOLE = Slot(0, usable_cores(), (), 1)


def test_a_slot_is_free_only_if_all_of_it_is() -> None:
    one, other = HostLocks(), HostLocks()
    held = one.take(Slot(0, (1,), (), 1))
    assert held is not None
    assert other.take(Slot(0, (0, 1), (), 2)) is None
    rest = other.take(Slot(0, (0,), (), 1))
    assert rest is not None, "what could not be taken as a whole is not kept in part"
    held.release()
    rest.release()
    again = other.take(Slot(0, (0, 1), (), 2))
    assert again is not None
    again.release()


def test_runs_on_gpus_lock_these_and_a_suite_for_timing_locks_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    assert names_of(Slot(0, (4, 5), ("0", "1"), 1)) == ["GPU 0", "GPU 1"]
    assert names_of(Slot(0, (4, 5), (), 2)) == ["core 4", "core 5"]
    monkeypatch.setattr(h, "driver_lists", lambda: ("0", "1"))
    monkeypatch.setattr(h.os, "cpu_count", lambda: 3)
    assert everything(Machine((2,), ("1",))) == ["GPU 0", "GPU 1", "core 0", "core 1", "core 2"]


def test_a_run_keeps_its_cores_when_its_sweep_is_gone(tmp_path: Path) -> None:
    held, other = HostLocks().take(WHOLE), HostLocks()
    assert held is not None
    tree = Tree([sys.executable, "-ISc", "import time; time.sleep(60)"], WHOLE, tmp_path / "log", held.handles)
    held.release()
    assert other.take(WHOLE) is None
    tree.kill()
    wait_for(lambda: tree.poll() is not None)
    after = other.take(WHOLE)
    assert after is not None
    after.release()


def test_a_suite_for_timing_waits_for_the_whole_machine_and_then_keeps_all_others_off_it(
    small: None,
    write_suite: WriteSuite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_suite(models=["resnet_20.yaml"], timing=True, workers=None)
    # A core that the suite itself would not use, if the host has one.
    last = (os.cpu_count() or 1) - 1
    held = HostLocks().take(Slot(0, (last,), (), 1))
    assert held is not None
    done = tmp_path / "done"
    code = f"import time, pathlib; time.sleep(2); pathlib.Path({str(done)!r}).touch()"
    neighbour = subprocess.Popen([sys.executable, "-ISc", code], pass_fds=held.handles)
    held.release()
    beside: list[bool] = []

    def noting(run: PlannedRun, spec_file: Path, processes: int, port: int) -> list[str]:
        beside.append(done.exists() and HostLocks().take(Slot(0, (last,), (), 1)) is None)
        return stand_in(run, spec_file, processes, port)

    monkeypatch.setitem(BACKENDS, "local", partial(LocalBackend, launcher=noting))
    assert run_command(main, ["-f", str(path)]) == 0
    assert neighbour.wait() == 0
    assert beside == [True] * 3
    assert capsys.readouterr().out.count("waiting for the whole machine (timing: true): another run is using") == 1
    after = HostLocks().take(WHOLE)
    assert after is not None, "a suite that has ended gives the machine back"
    after.release()


def takewhile_including(lines: Iterable[str], words: str) -> Iterator[str]:
    """Yield lines up to the first that has the words."""
    for line in lines:
        yield line
        if words in line:
            return


@pytest.mark.parametrize("timing", [False, True])
def test_after_a_killed_sweep_no_other_starts_beside_its_run(
    timing: bool, small: None, write_suite: WriteSuite
) -> None:
    shared = {"workers": None if timing else 1, "timing": timing}
    first = write_suite(name="first", models=["resnet_20.yaml"], **shared)
    second = write_suite(name="second", models=["resnet_32.yaml"], **shared)
    runs = Path(expand(first).suite.runs)
    driver = start_driver(first, resnet_20="held")
    wait_for(lambda: len(read_starts(runs)) == 1)
    driver.kill()
    driver.communicate()
    words = "waiting for the whole machine" if timing else "waiting: runs of other sweeps are using core"
    waiting = start_driver(second)
    assert waiting.stdout is not None
    printed = "".join(takewhile_including(waiting.stdout, words))
    (runs / "release").touch()
    printed += waiting.communicate(timeout=60)[0]
    assert printed.count(words) == 1, printed
    (orphan,) = runs.glob("first*/*/result.json")
    assert json.loads(orphan.read_text())["status"] == "finished"
    began = [path.stat().st_mtime_ns for path in runs.glob("second*/*/spec.yaml")]
    assert len(began) == (3 if timing else 1)
    assert min(began) >= orphan.stat().st_mtime_ns


def test_the_folder_of_the_locks_is_the_user_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_LOCKS")
    monkeypatch.setattr(h.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = lock_folder()
    assert folder == tmp_path / f"efficient-training-bench-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(h.os, "getuid", lambda: folder.stat().st_uid + 1)
    monkeypatch.setenv("BENCH_LOCKS", str(folder))
    with pytest.raises(BadInput, match="belongs to another user"):
        lock_folder()
    (tmp_path / "file").touch()
    monkeypatch.setenv("BENCH_LOCKS", str(tmp_path / "file"))
    with pytest.raises(BadInput, match=r"BENCH_LOCKS.*cannot be created"):
        lock_folder()
