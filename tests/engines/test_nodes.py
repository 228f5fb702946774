"""Processes of several nodes: what they tell each other at the start, of errors, and of one that is lost."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.config import YAMLS, load_spec
from bench.engines import nodes
from bench.engines.identity import choose_precision
from bench.engines.nodes import Nodes, lost_words, wait_for_port
from bench.engines.stopping import PeerWatch, RunStopped, explain
from bench.util.errors import BadInput
from bench.util.ports import free_port
from tests.engines.cpus import AVX2, SAPPHIRE_RAPIDS, replace_cpu
from tests.nodes import Launched, left_running, start_nodes

Pair = tuple[Nodes, Nodes]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let silence be noticed soon."""
    monkeypatch.setattr(nodes, "SECONDS_BETWEEN_BEATS", 0.05)
    monkeypatch.setattr(nodes, "SECONDS_OF_SILENCE", 0.5)


@pytest.fixture
def pair(quick: None) -> Iterator[Pair]:
    """Yield process 0 of node 0 and process 1 of node 1, which have met; both are threads of this one."""
    before, port = signal.getsignal(signal.SIGTERM), free_port()
    pair = Nodes("127.0.0.1", port, 0, 2, (0, "one")), Nodes("127.0.0.1", port, 1, 2, (1, "two"))
    meeting = threading.Thread(target=pair[1].meet)
    meeting.start()
    pair[0].meet()
    meeting.join()
    yield pair
    for member in reversed(pair):
        member.leave(KeyboardInterrupt())
    signal.signal(signal.SIGTERM, before)


def eventually(found: Callable[[], object], seconds: float = 10) -> object:
    """Return what a function returns as soon as that is true, within some seconds."""
    end = time.monotonic() + seconds
    while not (value := found()) and time.monotonic() < end:
        time.sleep(0.02)
    return value


def test_the_first_process_reads_for_all(pair: Pair) -> None:
    first, second = pair
    assert first.from_first("state", lambda: (True, {"reason": "x"})) == (True, {"reason": "x"})
    assert second.from_first("state", lambda: pytest.fail("its own disk was read")) == [True, {"reason": "x"}]


def test_what_must_be_the_same_is_compared(pair: Pair) -> None:
    first, second = pair
    for value in (3, 4):
        first.check_same(f"seed {value}", 3)
    second.check_same("seed 3", 3)
    with pytest.raises(BadInput, match=r"node 1 \(two\) has another seed 4 than node 0: 4, not 3"):
        second.check_same("seed 4", 4)


def test_the_first_process_decides_the_precision(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a node whose processor would choose another, and in words where that one cannot compute it."""
    spec = load_spec(YAMLS.parent / "tests" / "small.yaml", ["device=cpu"])
    replace_cpu(monkeypatch, AVX2)
    assert choose_precision(spec, tmp_path, pair[0]).precision == "fp32"
    replace_cpu(monkeypatch, SAPPHIRE_RAPIDS)
    assert choose_precision(spec, tmp_path, pair[1]).precision == "fp32"
    pair[0].from_first("precision", lambda: "amp_fp16")
    with pytest.raises(BadInput, match="amp_fp16, which this CPU with AMX cannot compute"):
        choose_precision(spec, tmp_path, pair[1])


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_is_known_to_the_others_by_rank_and_node(failing: int, pair: Pair) -> None:
    pair[failing].record_error(failing, "ValueError: the cause")
    other = pair[1 - failing]
    assert eventually(other.read_errors)
    (text,) = other.read_errors().values()
    assert text == f"on node {failing} ({('one', 'two')[failing]}):\nValueError: the cause"
    assert pair[failing].read_errors() == {}
    with pytest.raises(RunStopped, match=f"process {failing} of the run failed:"):
        other.check_same("anything", 1) if other is pair[1] else other._raise_errors()


def test_a_silent_process_is_lost_with_its_node(pair: Pair, capfd: pytest.CaptureFixture[str]) -> None:
    """What gloo then says on the others is explained by it."""
    first, second = pair
    second._ended.set()
    assert eventually(first.read_errors)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", "2")
        patch.setenv("LOCAL_WORLD_SIZE", "1")
        lost = RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [10.0.0.2]:1")
        stopped = explain(lost, PeerWatch(first, 0, 2), Path("run"))
    assert "another of its processes failed" in str(stopped)
    assert "process 1 of the run failed:\nit was lost with the whole of node 1 (two)" in capfd.readouterr().err


def test_none_has_succeeded_before_the_first_one(quick: None) -> None:
    """The others leave when the first process has written the end; with an error if it could not."""
    before = signal.getsignal(signal.SIGTERM)
    for error in (None, OSError("disk full")):
        port = free_port()
        ends: list[str] = []
        first, second = (Nodes("127.0.0.1", port, rank, 2, (rank, "host")) for rank in (0, 1))

        def run(member: Nodes = second, ends: list[str] = ends) -> None:
            member.meet()
            try:
                member.leave(None)
                ends.append("succeeded")
            except RunStopped as stop:
                ends.append(str(stop))
                member._ended.set()

        thread = threading.Thread(target=run)
        thread.start()
        first.meet()
        time.sleep(0.3)
        assert ends == []
        first.leave(error)
        thread.join()
        assert ends == ["succeeded"] if error is None else "disk full" in ends[0]
    signal.signal(signal.SIGTERM, before)


def test_two_processes_of_one_number_are_refused(pair: Pair) -> None:
    third = Nodes("127.0.0.1", pair[0]._store.port, 1, 2, (1, "three"))
    with pytest.raises(BadInput, match="--node_rank 1 used twice"):
        third.meet()


def test_processes_that_do_not_come_are_named(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "SECONDS_TO_COME", 0.3)
    alone = Nodes("127.0.0.1", free_port(), 0, 3, (0, "one"))
    with pytest.raises(RunStopped, match=r"processes 1, 2 of 3 did not come"):
        alone.meet()
    with pytest.raises(RunStopped, match=r"node 0 did not answer at 127\.0\.0\.1"):
        wait_for_port("127.0.0.1", free_port())
    with pytest.raises(BadInput, match=r"--master_addr no\.such\.host\.invalid"):
        wait_for_port("no.such.host.invalid", 29500)


def test_a_node_is_lost_when_none_of_its_processes_is_heard() -> None:
    places = {0: (0, "a"), 1: (0, "a"), 2: (1, "b"), 3: (1, "b")}
    words = lost_words([1, 2, 3], places)
    assert "it was lost on node 0 (a)" in words[1]
    assert "with the whole of node 1 (b)" in words[2]
    assert words[2] == words[3]


LOOP = """
import sys, time
from pathlib import Path
from bench.engines.nodes import joined
from bench.engines.stopping import guarded, report_once
from bench.records import RunWriter
from bench.util.cli import run_command
from bench.util.ranks import rank, world_size

def main(words):
    folder = Path(words[0])
    with joined() as nodes, guarded(RunWriter(folder), rank(), world_size(), nodes.board(RunWriter(folder))):
        import torch
        import torch.distributed as dist
        dist.init_process_group("gloo")
        while True:
            dist.all_reduce(torch.ones(1))
            (folder / str(rank())).touch()
            time.sleep(0.05)

sys.exit(run_command(lambda words: report_once(main, words)))
"""


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[tuple[Launched, Launched]]:
    """Yield the launchers of two nodes whose only processes add up numbers until they are stopped."""
    script = tmp_path / "loop.py"
    script.write_text(LOOP)
    with start_nodes([str(script), str(tmp_path)], [str(script), str(tmp_path)]) as launchers:
        assert eventually(lambda: all((tmp_path / name).exists() for name in "01"), seconds=240)
        yield launchers[0], launchers[1]


@pytest.mark.parametrize("lost", [0, 1])
def test_a_node_that_is_gone_or_silent_ends_the_other_within_a_minute(
    lost: int, loop: tuple[Launched, Launched]
) -> None:
    """Node 0 is killed with its process; node 1 only stops, as if its network were cut: no connection is closed."""
    os.killpg(loop[lost].pid, signal.SIGSTOP if lost else signal.SIGKILL)
    other = loop[1 - lost]
    printed, _ = other.communicate(timeout=60)
    assert other.returncode == 1, printed
    assert f"process {lost} of the run failed:\nit was lost with the whole of node {lost}" in printed
    assert "Run the same command again to resume." in printed
    assert "Traceback" not in printed
    assert not left_running(other)
