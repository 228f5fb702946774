"""How a machine's cores and GPUs are dealt out to runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.sweep.backends import machine as m
from bench.sweep.backends.machine import Machine, deal, find_gpus, make_slots, pinned, possible_workers
from bench.util.errors import BadInput

GIB = 2**30


@given(st.integers(1, 64), st.integers(1, 64))
def test_no_core_is_in_two_slots_and_none_is_left_over(cores: int, workers: int) -> None:
    parts = deal(range(cores), workers)
    assert len(parts) == workers
    assert {core for part in parts for core in part} == set(range(min(cores, workers) if workers > cores else cores))
    if workers <= cores:
        assert sum(map(len, parts)) == cores
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(
    ("cores", "processes", "memory", "expected"),
    [
        (2, 1, 20 * GIB, [1, 2]),
        (2, 2, 20 * GIB, [1]),
        (1, 1, 20 * GIB, [1]),
        (8, 1, 64 * GIB, [1, 2, 4, 8]),
        (8, 2, 64 * GIB, [1, 2, 4]),
        (6, 1, 8 * GIB, [1, 2, 3, 4]),
        (8, 1, GIB, [1]),
    ],
)
def test_a_cpu_offers_a_choice(cores: int, processes: int, memory: int, expected: list[int]) -> None:
    assert possible_workers(Machine(tuple(range(cores)), (), memory), processes) == expected


def test_eight_gpus_train_eight_single_runs_or_one_of_eight_processes() -> None:
    eight = Machine(tuple(range(16)), tuple("01234567"))
    assert (possible_workers(eight, 1), possible_workers(eight, 8), possible_workers(eight, 3)) == ([8], [1], [2])
    slots = make_slots(eight, 8, 1)
    assert [slot.environment({})["CUDA_VISIBLE_DEVICES"] for slot in slots] == list("01234567")
    assert [slot.cores for slot in slots[:2]] == [(0, 1), (2, 3)]
    (whole,) = make_slots(eight, 1, 8)
    assert whole.environment({})["CUDA_VISIBLE_DEVICES"] == "0,1,2,3,4,5,6,7"
    assert whole.threads == 2
    with pytest.raises(BadInput, match="9 processes need as many GPUs; there are 8"):
        possible_workers(eight, 9)
    with pytest.raises(BadInput, match="need more than 8 GPUs"):
        make_slots(eight, 9, 1)


def test_two_cores_train_two_runs_of_one_thread_or_one_of_two() -> None:
    two = Machine((4, 7))
    assert [(slot.cores, slot.threads) for slot in make_slots(two, 2, 1)] == [((4,), 1), ((7,), 1)]
    assert [(slot.cores, slot.threads) for slot in make_slots(two, 1, 1)] == [((4, 7), 2)]
    assert [(slot.cores, slot.threads) for slot in make_slots(two, 1, 2)] == [((4, 7), 1)]
    with pytest.raises(BadInput, match="'workers': 3 runs of 1 processes need more than 2 cores"):
        make_slots(two, 3, 1)


def test_a_run_gets_its_own_threads_and_nothing_of_another_launcher() -> None:
    (slot,) = make_slots(Machine((0, 1)), 1, 1)
    inherited = {"PATH": "/bin", "RANK": "3", "WORLD_SIZE": "4", "MASTER_PORT": "1", "OMP_NUM_THREADS": "9"}
    expected = {"PATH": "/bin", "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    assert slot.environment(inherited) == expected


@pytest.mark.parametrize(
    ("visible", "expected"),
    [(None, ("0", "1", "2")), ("1,2", ("1", "2")), ("", ()), ("-1", ()), ("0,-1,2", ("0",)), ("GPU-a1", ("GPU-a1",))],
)
def test_gpus_are_those_that_cuda_may_see(
    visible: str | None, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(m, "driver_lists", lambda: ("0", "1", "2"))
    assert find_gpus({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}) == expected


def test_gpus_are_those_that_the_driver_s_tool_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\n[ "$1" = "--query-gpu=index" ] && printf "0\\n1\\n"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert find_gpus({}) == ("0", "1")
    tool.write_text("#!/bin/sh\necho 'No devices were found' >&2\nexit 6\n")
    assert find_gpus({}) == ()


def test_a_machine_without_a_driver_has_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(m.shutil, "which", lambda tool: None)
    assert find_gpus({"CUDA_VISIBLE_DEVICES": "0"}) == ()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins processes to cores")
def test_a_process_started_while_pinned_stays_on_its_cores() -> None:
    before = os.sched_getaffinity(0)
    core = max(before)
    code = "import os; print(*os.sched_getaffinity(0))"
    with pinned((core,)):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(core)]
    assert os.sched_getaffinity(0) == before
