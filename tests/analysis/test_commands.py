"""`python -m bench.COMMAND` answers --help with an example, and bad input with exit code 2."""

import subprocess
import sys

import pytest


def run_module(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, timeout=120)


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
