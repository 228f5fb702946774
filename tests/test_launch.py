"""`composer`: Composer's processes and environment, and on a stop nothing but how to go on."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from bench.launch import exit_code, load_launcher
from bench.launch_nodes import NodeOptions, check_nodes, read_options
from bench.util.errors import BadInput
from tests.conftest import REPOSITORY

LAUNCH = [sys.executable, "-m", "bench.launch"]
# What only a launcher prints, on a stop or after it.
OF_THE_LAUNCHER = ("Traceback", "Killing", "Waiting up to", "Ctrl-C", "Global rank", "crashed")
ON = "Run the same command again to resume."


@contextmanager
def started(command: Sequence[str], **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a launcher in a process group of its own, as a shell starts it; kill what is left of the group."""
    with subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def script(folder: Path, text: str) -> str:
    path = folder / "script.py"
    path.write_text(text)
    return str(path)


def interrupt(process: subprocess.Popen[str], number: int) -> None:
    """Send SIGTERM to the launcher, as a scheduler does, and SIGINT to its group, as a terminal does."""
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)


def test_the_environment_installs_it_as_composer() -> None:
    scripts = [point for point in entry_points(group="console_scripts", name="composer") if "bench" in point.value]
    if not scripts:
        pytest.skip("this environment was installed before the package declared its script")
    assert "bench.launch" in (Path(sys.executable).parent / "composer").read_text()


ENVIRONMENT = """
import json, os, sys
names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "PYTHONUNBUFFERED")
words = json.dumps([{name: os.environ.get(name) for name in names}, os.environ["MASTER_PORT"].isdigit(), sys.argv[1:]])
open(sys.argv[1] + os.environ["RANK"], "w").write(words)
"""


def test_processes_are_started_as_composer_starts_them(tmp_path: Path) -> None:
    """The same environment and arguments for each rank; nothing is printed that the script does not print."""
    path = script(tmp_path, ENVIRONMENT)
    for name, launch in (("ours", LAUNCH), ("composers", [sys.executable, "-m", "composer.cli"])):
        (tmp_path / name).mkdir()
        command = [*launch, "-n", "2", path, f"{tmp_path / name}/", "-f", "$HOME/x.yaml", "key=1"]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
        assert name == "composers" or (done.stdout, done.stderr) == ("", "")
    ours, composers = ([path.read_text() for path in sorted((tmp_path / n).iterdir())] for n in ("ours", "composers"))
    assert len(ours) == 2
    assert [text.replace("ours/", "composers/") for text in ours] == composers


def test_without_a_number_there_is_one_process_for_each_gpu(tmp_path: Path) -> None:
    path = script(tmp_path, "import os, torch; print(os.environ['WORLD_SIZE'], max(1, torch.cuda.device_count()))")
    done = subprocess.run([*LAUNCH, path], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    processes, gpus = done.stdout.split()
    assert processes == gpus


def test_a_failure_is_told_as_composer_tells_it(tmp_path: Path) -> None:
    path = script(tmp_path, "import os, sys\nif os.environ['RANK'] == '1':\n    print('the cause'); sys.exit(3)\n")
    done = subprocess.run([*LAUNCH, "-n", "2", path], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert re.search(r"Global rank 1 \(PID \d+\) exited with code 3", done.stdout)
    assert "the cause" in done.stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_script_that_hears_no_signal_yet_is_stopped_quietly(number: int, code: int, tmp_path: Path) -> None:
    """As `bench.train` is while it starts: SIGINT must not end it with a traceback."""
    path = script(tmp_path, "import time; print('starting', flush=True); time.sleep(60)")
    with started([*LAUNCH, "-n", "2", path]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "starting\n"
        interrupt(process, number)
        printed, _ = process.communicate(timeout=60)
    assert printed == f"stopped by {signal.Signals(number).name}. {ON}\n"
    assert process.returncode == code


def test_a_second_ctrl_c_waits_no_longer(tmp_path: Path) -> None:
    text = (
        "import os, signal, time\n"
        "for number in (signal.SIGINT, signal.SIGTERM):\n"
        "    signal.signal(number, lambda *_: os.write(1, b'later\\n'))\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    time.sleep(0.1)\n"
    )
    with started([*LAUNCH, "-n", "1", script(tmp_path, text)]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        interrupt(process, signal.SIGINT)
        # The terminal's signal, then the launcher's.
        assert [process.stdout.readline() for _ in range(2)] == ["later\n"] * 2
        interrupt(process, signal.SIGINT)
        printed, _ = process.communicate(timeout=60)
    assert printed.replace("later\n", "") == f"stopped by SIGINT. {ON}\n"
    assert process.returncode == 130


TWO = ["-n", "1", "--world_size", "2", "--node_rank", "0", "--master_addr", "127.0.0.1", "--master_port", "29500"]
BAD_NODES = {
    "no port": (TWO[:-2], "needs --master_port: composer -n 8 --world_size 16"),
    "no number": ([*TWO[:4], *TWO[6:]], "needs --node_rank: "),
    "nothing": (TWO[:4], "needs --node_rank and --master_addr and --master_port: "),
    "no multiple": (["-n", "2", "--world_size", "5", *TWO[4:]], "--world_size 5 is no multiple of -n 2"),
    "a node too many": ([*TWO[:5], "2", *TWO[6:]], "--node_rank 2: .* whose numbers are 0 to 1"),
    "a negative node": ([*TWO[:4], "--node_rank=-1", *TWO[6:]], "--node_rank -1: "),
    "no such port": ([*TWO[:-1], "70000"], "--master_port 70000: a port is 1 to 65535"),
    "fewer in all": (["-n", "4", *TWO[2:]], "--world_size 2 is less than -n 4"),
    "one node with a number": (["-n", "1", "--node_rank", "1"], "need --world_size"),
    "no process": (["-n", "0"], "at least one process"),
}


@pytest.mark.parametrize("name", BAD_NODES)
def test_options_that_describe_no_node_are_refused(name: str) -> None:
    words, said = BAD_NODES[name]
    with pytest.raises(BadInput, match=said):
        check_options(words, {})


def check_options(words: list[str], environment: dict[str, str]) -> NodeOptions:
    """Return what the launcher's own parser and an environment say of a node, checked."""
    given = load_launcher()._get_parser().parse_args([*words, "script.py"])
    options = read_options(given, given.nproc, environment)
    check_nodes(options)
    return options


def test_the_environment_stands_in_for_options() -> None:
    variables = {"NODE_RANK": "1", "MASTER_ADDR": "host", "MASTER_PORT": "29500"}
    expected = NodeOptions(1, 2, node_rank=1, master_addr="host", master_port=29500)
    assert check_options(TWO[:4], variables) == expected
    assert check_options(TWO[:2], {**variables, "WORLD_SIZE": "2"}) == expected
    unequal = check_options([*TWO, "--base_rank", "1"], {})
    assert unequal.base_rank == 1
    # Of the process of another run that starts this one.
    inner = {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "4", "NODE_RANK": "0", "MASTER_PORT": "1"}
    assert check_options(["-n", "1"], inner).world_size == 1
    with pytest.raises(BadInput, match="variable MASTER_PORT: 'x' is no number"):
        check_options(TWO[:4], {**variables, "MASTER_PORT": "x"})


def test_the_launcher_says_in_one_line_which_option_is_missing(tmp_path: Path) -> None:
    path = script(tmp_path, "print('started')")
    command = [*LAUNCH, *TWO[:-2], path]
    environment = {name: value for name, value in os.environ.items() if name != "MASTER_PORT"}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: .*needs --master_port: .*\n", done.stderr)


@pytest.mark.parametrize(
    ("code", "received", "expected"),
    [(0, 0, 0), (1, 0, 1), (-9, 0, -9), (0, 15, 0), (1, 15, 1), (143, 15, 143), (143, 2, 130), (-9, 2, 130), (2, 2, 2)],
)
def test_exit_codes(code: int, received: int, expected: int) -> None:
    assert exit_code(code, received) == expected


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_training_is_stopped_and_says_how_to_go_on(number: int, code: int, small_data: Path, tmp_path: Path) -> None:
    name = signal.Signals(number).name
    words = ["-f", "tests/small.yaml", "batch_size=64", f"runs={tmp_path}", "threads=1", "max_duration=99ep"]
    with started([*LAUNCH, "-n", "2", "bench/train.py", *words], BENCH_DATA=str(small_data)) as process:
        end = time.monotonic() + 240
        while not list(tmp_path.glob("*/*/epochs.jsonl")) and time.monotonic() < end and process.poll() is None:
            time.sleep(0.05)
        interrupt(process, number)
        printed, _ = process.communicate(timeout=120)
    assert process.returncode == code, printed
    assert f"{name}: stopping with a checkpoint after the current step or evaluation" in printed
    assert not any(word in printed for word in OF_THE_LAUNCHER), printed
    last = printed.splitlines()[-1]
    assert last.startswith(f"stopped by {name}; saved {tmp_path}"), printed
    assert last.endswith(ON)
