"""`python -m bench` lists the commands that there are, and each of mine answers --help with an example."""

import subprocess
import sys

import pytest

from bench.__main__ import COMMANDS, exists, main


def run_module(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, timeout=120)


def test_it_lists_what_exists_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    listed = {line.split()[2].removeprefix("bench.") for line in capsys.readouterr().out.splitlines() if "-m" in line}
    assert listed == {command for command in COMMANDS if exists(command)}
    assert {"tables", "figures", "zoo"} <= listed
    assert not exists("no_such_command")
    assert not exists("engines"), "a package without a main module is no command"


@pytest.mark.parametrize("module", ["bench", "bench.tables", "bench.figures", "bench.zoo.components"])
def test_help_shows_an_example(module: str) -> None:
    done = run_module(module, "--help")
    assert done.returncode == 0
    assert f"python -m {module}" in done.stdout.partition("example:")[2]


@pytest.mark.parametrize("module", ["bench.tables", "bench.figures"])
def test_bad_input_exits_with_two(module: str) -> None:
    done = run_module(module, "no_such_name")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: unknown")
