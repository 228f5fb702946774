"""How a run stops before its end: signals, other processes' errors, a disk that refuses; a kill frees the lock."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.config import YAMLS, load_spec
from bench.engines.stopping import (
    Diverged,
    Interrupted,
    PeerWatch,
    RunStopped,
    StopSignals,
    describe_failure,
    explain,
    guarded,
)
from bench.records import FAILED, LOCK, RunWriter, read_run, run_directory
from bench.util.errors import BadInput
from tests.conftest import REPOSITORY

FAILURE = Diverged("the loss became nan", step=37, epoch=2, lr=0.4, loss=float("nan")).record("checkpoints/a.pt")


def test_signals_are_remembered_and_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as stop:
        assert stop.received == 0
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.received == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_ctrl_c_stops_at_once() -> None:
    with StopSignals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert stop.received == signal.SIGINT


RENDEZVOUS = """
import os, signal, sys, threading
from torch.distributed import TCPStore
from bench.engines.stopping import StopSignals

with StopSignals() as stop:
    if sys.argv[1] == "before":
        os.kill(os.getpid(), signal.SIGTERM)
    else:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with stop.bounded(seconds=0.5):
        TCPStore("127.0.0.1", 0, 2, True, wait_for_workers=sys.argv[1] != "left")
    threading.Event().wait(2)
    print("went on", stop.received, signal.set_wakeup_fd(-1))
"""


@pytest.mark.parametrize(
    ("when", "code", "printed"), [("before", 143, ""), ("during", 143, ""), ("left", 0, "went on 15 -1\n")]
)
def test_a_rendezvous_with_nobody_ends_by_a_signal(when: str, code: int, printed: str) -> None:
    """A real one, which hears no Python handler; once it is over a signal only asks for a stop again."""
    command = [sys.executable, "-c", RENDEZVOUS, when]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (code, printed), done.stderr
    assert ("stopped by SIGTERM while waiting" in done.stderr) == bool(code)


def test_exit_codes_are_those_of_shells() -> None:
    assert [Interrupted(number, "x").exit_code for number in (signal.SIGTERM, signal.SIGINT)] == [143, 130]
    assert "Run the same command again" in str(Interrupted(signal.SIGINT, "checkpoints/a.pt"))
    assert RunStopped("x").exit_code == 1


def test_a_failed_run_is_recorded_and_told(tmp_path: Path) -> None:
    spec = load_spec(YAMLS.parent / "tests" / "small.yaml", [f"runs={tmp_path}"])
    writer = RunWriter(run_directory(spec))
    writer.claim(spec, {})
    writer.fail(FAILURE)
    writer.release()
    record = read_run(writer.path)
    assert not record.finished
    assert record.failure == {
        "status": "failed",
        "reason": "the loss became nan",
        "step": 37,
        "epoch": 2,
        "lr": 0.4,
        "loss": "nan",
        "checkpoint": "checkpoints/a.pt",
    }
    words = describe_failure(str(writer.path), record.failure)
    for word in ("the loss became nan", "step 37", "0.4", "checkpoints/a.pt", f"delete {writer.path}/{FAILED}"):
        assert word in words
    writer.finish({"status": "finished", "spec": spec.model_dump(mode="json")})
    assert read_run(writer.path).failure is None


def test_a_damaged_failure_is_named(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("model: {name: x}\nseed: 0\n")
    (tmp_path / FAILED).write_text("{")
    with pytest.raises(BadInput, match=FAILED):
        _ = read_run(tmp_path).failure


def test_another_processs_error_is_shown_and_ends_this_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A process that waits for a dead peer and cannot go on is ended, after the peer's error has been shown."""
    ended: list[int] = []
    writer = RunWriter(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.engines.stopping.SECONDS_BETWEEN_LOOKS", 0.01)
        patch.setattr("bench.engines.stopping.SECONDS_TO_END", 0.05)
        with PeerWatch(writer, 0, 2, end=ended.append):
            writer.record_error(1, "ValueError: the cause\n")
            end = time.monotonic() + 5
            while not ended and time.monotonic() < end:
                time.sleep(0.01)
    assert ended == [1]
    assert "process 1 of the run failed:\nValueError: the cause" in capfd.readouterr().err


def test_the_first_of_several_errors_is_the_cause(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    writer = RunWriter(tmp_path)
    for rank, text in ((5, "the cause"), (2, "Connection closed by peer"), (11, "Connection closed by peer")):
        writer.record_error(rank, text)
        os.utime(tmp_path / f"rank{rank}.error.txt", ns=(0, [5, 2, 11].index(rank)))
    assert list(writer.read_errors()) == [5, 2, 11]
    stopped = explain(RuntimeError("gloo: Connection closed by peer"), PeerWatch(writer, 0, 12), tmp_path)
    assert isinstance(stopped, RunStopped)
    assert "process 5 of the run failed:\nthe cause" in capfd.readouterr().err


def test_a_stop_that_follows_from_anothers_failure_is_a_failure(tmp_path: Path) -> None:
    """The launcher ends the other processes by SIGTERM as soon as one has failed; that is no stop asked for."""
    asked = Interrupted(signal.SIGTERM, "checkpoints/a.pt")
    writer = RunWriter(tmp_path)
    assert explain(asked, PeerWatch(writer, 0, 2), tmp_path) is asked
    writer.record_error(1, "ValueError: the cause\n")
    stopped = explain(asked, PeerWatch(writer, 0, 2), tmp_path)
    assert isinstance(stopped, RunStopped)
    assert stopped.exit_code == 1
    assert "another of its processes failed" in str(stopped)


def test_a_killed_peer_is_suspected_when_there_is_no_error(tmp_path: Path) -> None:
    lost = RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1")
    assert "out of memory" in str(explain(lost, PeerWatch(RunWriter(tmp_path), 0, 2), tmp_path))
    assert explain(lost, PeerWatch(RunWriter(tmp_path), 0, 1), tmp_path) is lost


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_refuses_is_said_so(code: int, tmp_path: Path) -> None:
    with pytest.raises(RunStopped, match=rf"epochs.jsonl: {os.strerror(code)}; .*Run the same command again"):
        with guarded(RunWriter(tmp_path), 0, 1):
            raise OSError(code, os.strerror(code), str(tmp_path / "epochs.jsonl"))


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    for error in (ValueError("x"), BadInput("x"), FileNotFoundError(2, "No such file", "/elsewhere"), RunStopped("x")):
        with pytest.raises(type(error)) as caught, guarded(RunWriter(tmp_path), 0, 1):
            raise error
        assert caught.value is error


def test_a_rank_leaves_its_error_for_rank_zero(tmp_path: Path) -> None:
    """From the error on it does not heed the launcher, which ends all processes when one has failed."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(ValueError, match="the cause"), guarded(RunWriter(tmp_path), 3, 4):
            raise ValueError("the cause")
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "ValueError: the cause" in RunWriter(tmp_path).read_errors()[3]


HOLD = """
import sys, time
from bench.config import load_spec
from bench.records import RunWriter, run_directory
spec = load_spec("tests/small.yaml", ["runs=" + sys.argv[1]])
writer = RunWriter(run_directory(spec))
writer.claim(spec, {})
print("holding", flush=True)
time.sleep(60)
"""


def test_the_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    spec = load_spec(YAMLS.parent / "tests" / "small.yaml", [f"runs={tmp_path}"])
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holding\n"
        writer = RunWriter(run_directory(spec))
        with pytest.raises(BadInput, match=rf"another process \(process {holder.pid} holds {LOCK}\)"):
            writer.claim(spec, {})
        holder.kill()
        holder.wait()
        writer.record_error(1, "of the attempt that was killed")
        writer.claim(spec, {})
        assert writer.read_errors() == {}
        writer.release()
