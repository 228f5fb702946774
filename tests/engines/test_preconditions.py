"""What a run needs and has not is said in one line, with exit code 2, before anything of the run is written."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import torch

from bench import train
from bench.config import YAMLS, load_spec
from bench.engines import preconditions
from bench.engines.wandb_login import check_wandb
from bench.sweep.__main__ import main as sweep
from bench.util import extras
from bench.util.cli import run_command
from bench.util.errors import BadInput
from tests.conftest import REPOSITORY

WORDS = ["-f", "tests/small.yaml", "batch_size=60", "threads=1"]
KEY = "0123456789" * 4
BOTH_WAYS = ["wandb login", "WANDB_API_KEY", "WANDB_MODE=offline", "bench.sync"]
Machine = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def logged_out(bench_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a home without a W&B login, and no other server than the one it names."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:1")
    for name in ("WANDB_API_KEY", "WANDB_MODE", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)


def answering(status: int, answer: object) -> Iterator[str]:
    """Yield the address of a server on the loopback that gives every request the same answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def set_environment(**variables: str) -> Callable[[Machine], None]:
    """Return a set-up that sets environment variables."""

    def prepare(machine: Machine) -> None:
        for name, value in variables.items():
            machine.setenv(name, value)

    return prepare


def with_gpus(count: int, processes: int) -> Callable[[Machine], None]:
    """Return a set-up of a machine with some GPUs and processes of the launcher."""

    def prepare(machine: Machine) -> None:
        machine.setattr(torch.cuda, "is_available", lambda: count > 0)
        machine.setattr(torch.cuda, "device_count", lambda: count)
        set_environment(WORLD_SIZE=str(processes), LOCAL_WORLD_SIZE=str(processes))(machine)

    return prepare


def without_wandb(machine: Machine) -> None:
    """Let the machine have no package wandb."""
    machine.setattr(extras, "find_spec", lambda name: None if name == "wandb" else object())


def read_only(machine: Machine) -> None:
    """Let no folder be writable; a test may run as root, whom permissions do not hold."""
    machine.setattr(os, "access", lambda path, mode: not mode & os.W_OK)


def ready(_: Machine) -> None:
    """Change nothing of the machine."""


MISSING: dict[str, tuple[Callable[[Machine], None], list[str], list[str]]] = {
    "no API key": (set_environment(WANDB_MODE="online"), [], ["there is no API key", *BOTH_WAYS]),
    "a cut key": (set_environment(WANDB_MODE="online", WANDB_API_KEY="abc"), [], ["40 characters", *BOTH_WAYS]),
    "no server": (set_environment(WANDB_MODE="online", WANDB_API_KEY=KEY), [], ["is not available", *BOTH_WAYS[2:]]),
    "no mode": (set_environment(WANDB_MODE="onlin"), [], ["WANDB_MODE", "Did you mean 'online'?"]),
    "no package": (without_wandb, [], ["'wandb'", "pip install", "wandb.enabled=false"]),
    "no GPU": (with_gpus(0, 1), ["device=gpu"], ["device=cpu"]),
    "float16 without GPU": (with_gpus(0, 1), ["precision=amp_fp16"], ["'amp_fp16'", "precision=fp32"]),
    "too few GPUs": (with_gpus(4, 6), [], ["6 processes", "4 GPUs", "-n 4"]),
    "no folder": (ready, ["runs=Makefile/runs"], ["runs folder", "Makefile is not a folder"]),
    "no permission": (read_only, [], ["runs folder", "is not writable"]),
    "no data": (ready, ["data.name=cifar100"], ["python -m bench.data cifar100", "BENCH_DATA", "data.name=shapes100"]),
    "an uneven batch": (set_environment(WORLD_SIZE="7"), [], ["60 cannot be divided over 7 processes"]),
    "too large a batch": (ready, ["batch_size=1000"], ["larger than the training split"]),
    "milestones that meet": (
        ready,
        ["schedule={name: multistep, milestones: [2ep, 15ba], warmup: 1ba}"],
        ["schedule.milestones", "must increase"],
    ),
    "too many processes": (set_environment(WORLD_SIZE="240"), ["batch_size=240"], ["211 images", "240 processes"]),
    "no such timm model": (ready, ["model.name=timm/resnt18"], ["Did you mean 'resnet18'?"]),
    "no such option": (ready, ["model.options.block=3"], ["Did you mean 'blocks'?"]),
    "no stem to whiten": (
        ready,
        ["model.name=resnet_18", "algorithms.whitening_stem={}"],
        ["'whitening_stem'", "an even number of at most 54 outputs"],
    ),
    "nothing for Dirac": (
        ready,
        ["model.name=mlp_mixer_tiny", "algorithms.dirac_initialisation={}"],
        ["'dirac_initialisation'", "this network has none"],
    ),
    "no port": (set_environment(WORLD_SIZE="2", MASTER_PORT="99999999"), [], ["port 99999999", "--master_port"]),
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_said_in_one_line_and_nothing_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare, overrides, said = MISSING[name]
    with monkeypatch.context() as machine:
        prepare(machine)
        code = run_command(train.main, [*WORDS, f"runs={tmp_path / 'runs'}", *overrides])
    message = capsys.readouterr().err
    assert code == 2
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    for words in said:
        assert words in message
    assert not (tmp_path / "runs").exists()


def test_a_taken_port_is_refused_and_torchruns_own_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        set_environment(WORLD_SIZE="2", MASTER_PORT=port)(monkeypatch)
        assert run_command(train.main, [*WORDS, f"runs={tmp_path / 'runs'}"]) == 2
        assert f"port {port}" in (said := capsys.readouterr().err)
        assert "is in use" in said
        assert not (tmp_path / "runs").exists()
        monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
        preconditions.check_port(2)
        monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE")
        preconditions.check_port(1)
    preconditions.check_port(2)


ANSWERS = {
    "refused": (401, {}, "does not accept the API key"),
    "forbidden": (403, {}, "does not accept the API key"),
    "nobody": (200, {"data": {"viewer": None}}, "does not accept the API key"),
    "out of order": (503, {}, "HTTP 503"),
    "not W&B": (200, ["hello"], "does not accept the API key"),
    "known": (200, {"data": {"viewer": {"id": "abc"}}}, None),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_server_says_whether_the_key_is_known(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    status, answer, refusal = ANSWERS[name]
    for address in answering(status, answer):
        set_environment(WANDB_MODE="online", WANDB_API_KEY=KEY, WANDB_BASE_URL=address)(monkeypatch)
        if refusal is None:
            check_wandb()
            continue
        with pytest.raises(preconditions.BadInput, match=refusal) as error:
            check_wandb()
        assert KEY not in str(error.value)


@pytest.mark.parametrize("mode", ["offline", "dryrun", "disabled", None])
def test_logging_to_the_disk_needs_neither_key_nor_network(mode: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "post", lambda *_, **__: pytest.fail("the network was tried"))
    if mode:
        monkeypatch.setenv("WANDB_MODE", mode)
    check_wandb()


def test_a_run_that_logs_nothing_asks_nothing_of_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    without_wandb(monkeypatch)
    spec = train.load_spec("tests/small.yaml", ["batch_size=60", "wandb.enabled=false"])
    dataset, _ = preconditions.check_preconditions(spec, tmp_path / "runs" / "a" / "b", 0, 1)
    assert (len(dataset.train), len(dataset.evaluation)) == (640, 211)
    assert not (tmp_path / "runs").exists()


def test_a_sweep_is_refused_before_its_first_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = tmp_path / "trial.yaml"
    suite.write_text("name: trial\nmodels: [quickstart.yaml]\noverrides: {batch_size: 60}\n")
    monkeypatch.setenv("WANDB_MODE", "online")
    assert run_command(sweep, ["-f", str(suite), f"runs={tmp_path / 'runs'}"]) == 2
    assert "there is no API key" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_user_without_a_key_gets_one_line(tmp_path: Path) -> None:
    """The command of the README with WANDB_MODE=online: exit code 2, two ways on, nothing written."""
    done = subprocess.run(
        [sys.executable, "bench/train.py", *WORDS, f"runs={tmp_path / 'runs'}"],
        cwd=REPOSITORY,
        env={**os.environ, "WANDB_MODE": "online"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert all(way in done.stderr for way in BOTH_WAYS)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        (["max_duration=20ba", "algorithms.swa={}"], True),
        (["max_duration=20ba", "algorithms.swa={update_interval: 1ba}"], False),
        (["max_duration=30ba", "algorithms.swa={}"], False),
        (["max_duration=30ba", "algorithms.swa={swa_start: 0.9dur}"], True),
        (["max_duration=2ep", "algorithms.swa={swa_start: 3ep, swa_end: 4ep}"], True),
        (["max_duration=2ep", "algorithms.ema={}"], False),
        (["max_duration=20ba", "algorithms.ema={half_life: 1ep}"], True),
        (["max_duration=2ep", "algorithms.ema={ema_start: 60ba}"], True),
        (["max_duration=9sec", "schedule.warmup=0ep", "algorithms.ema={half_life: 1ep}"], False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_average_that_no_weights_would_enter_is_refused(changes: list[str], refused: bool) -> None:
    spec = load_spec(YAMLS.parent / "tests" / "small.yaml", ["schedule.warmup=0ep", *changes])
    with pytest.raises(BadInput, match="end before weights are averaged") if refused else nullcontext():
        preconditions.check_averaging(spec, epoch_batches=25)
