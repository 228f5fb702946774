"""Every command of the README runs, and its table is what the command writes."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import train
from bench.records import read_runs
from bench.util.cli import OK, run_command
from bench.util.ports import free_port
from bench.zoo.counting.golden import read_golden
from bench.zoo.models import MODELS
from bench.zoo.table import as_markdown, zoo_table
from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
MADE_BY_CI = {"make quickstart", "make test"}
# Tables that the README cites in words.
CITED = ("training_cost", "speed_75", "latency", "eca_position")
# The blocks for several nodes: each node's command started by hand, and all by SLURM.
(BY_HAND, BY_SLURM) = (
    [line.partition("#")[0].strip() for line in block.splitlines()]
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    if "--world_size" in block
)
SMALL = ["batch_size=32", "eval_batch_size=100", "max_duration=2ba", "threads=1", "wandb.enabled=false"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


def test_ci_runs_what_the_readme_makes() -> None:
    script = (REPOSITORY / ".ci" / "run").read_text()
    assert {line for line in COMMANDS if line.startswith("make")} == MADE_BY_CI
    for command in MADE_BY_CI:
        assert command in script


@pytest.mark.slow
@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("composer") and line not in BY_HAND])
def test_training_commands(command: str, bench_data: Path, runs: Path) -> None:
    """The launcher itself is tested in test_train; here each command's run is declared, trained and recorded."""
    words = shlex.split(command)
    assert words[:2] == ["composer", "-n"]
    assert words[3] == "bench/train.py"
    arguments = [*words[4:], "data.name=shapes100", *SMALL, f"runs={runs}"]
    assert run_command(train.main, arguments) == OK


# What a cluster has: node 0's name, and `srun`, which starts a command on each node with that node's number.
CLUSTER = {
    "hostname": "echo 127.0.0.1",
    "srun": 'shift; SLURM_NODEID=0 "$@" >0.txt 2>&1 & SLURM_NODEID=1 "$@" >1.txt 2>&1 & wait -n && wait -n',
}


@pytest.mark.slow
def test_the_commands_for_several_nodes(small_data: Path, tmp_path: Path) -> None:
    """By hand they train a run, each node with its own runs folder; started again by SLURM, it has finished."""
    for name, text in CLUSTER.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "BENCH_DATA": str(small_data), "SLURM_NNODES": "2"}
    changes = " ".join(["data.name=shapes100", *SMALL])

    def run(lines: list[str]) -> None:
        """Run lines of a shell as one script, and fail if it fails."""
        text = "\n".join(lines).replace("29500", str(free_port())).replace(" bench/", f" {REPOSITORY}/bench/")
        text = text.replace("yamls/", f"{REPOSITORY}/yamls/")
        command = ["bash", "-e", "-c", text]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == OK, done.stdout + done.stderr

    variables, *commands = BY_HAND
    assert [word for line in commands for word in re.findall(r"--node_rank (\d)", line)] == ["0", "1"]
    started = [f"{line} {changes} runs=node{node} &" for node, line in enumerate(commands)]
    run([variables, *started, "wait -n", "wait -n"])
    (record,) = read_runs(tmp_path / "node0")
    assert record.finished
    variables, command = BY_SLURM
    assert command.endswith("'")
    run([variables, f"{command[:-1]} {changes} runs=node$SLURM_NODEID'"])
    assert all("has finished already" in (tmp_path / f"{node}.txt").read_text() for node in (0, 1))
    assert not (tmp_path / "node1").exists()


def test_every_command_is_run() -> None:
    """By a test of this file or by CI; what activates the environment is what runs this test."""
    kinds = ("make ", "composer ", "python ", ". .venv/bin/activate", *BY_HAND, *BY_SLURM)
    assert [line for line in COMMANDS if not line.startswith(kinds)] == []


# Suites are declared as they stand, on the data that tests have, and not trained.
DRY = ["models=[resnet_20.yaml]", "data.name=shapes100", "--dry-run"]


@pytest.mark.slow
@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("python")])
def test_other_commands(command: str, small_data: Path, runs: Path, tmp_path: Path) -> None:
    """Each runs on what the training commands above left; only the download needs a network that tests do not have."""
    (tmp_path / "runs").symlink_to(runs)
    (tmp_path / "yamls").symlink_to(REPOSITORY / "yamls")
    shutil.copytree(REPOSITORY / "reports", tmp_path / "reports")
    environment = {**os.environ, "BENCH_DATA": str(small_data), "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    words = shlex.split(command)
    words += DRY if "bench.sweep" in words else []
    done = subprocess.run(
        [sys.executable, *words[1:]], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    if "cifar100" in words:
        assert done.returncode == 2
        assert "data.name=shapes100" in done.stderr
    else:
        assert done.returncode == OK, done.stderr


@pytest.mark.parametrize("command", [line for line in COMMANDS if "--runs reports/runs" in line and "tables" in line])
def test_the_tables_are_what_their_commands_write(command: str) -> None:
    """The README shows the tables of the committed run records, to the letter; of some it cites the numbers alone."""
    words = shlex.split(command)
    done = subprocess.run([sys.executable, *words[1:]], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    rows = [line for line in done.stdout.partition("\n\n- ")[0].splitlines() if line.startswith("|")]
    assert len(rows) >= 3
    shown = [row for row in rows if row in README]
    assert shown in ([], rows[: len(shown)])
    assert bool(shown) is not any(f" {cited} " in command for cited in CITED)


def test_the_intervals_in_words_are_those_of_the_reports() -> None:
    words = " ".join(line for line in README.splitlines() if not line.startswith("|"))
    cited = re.findall(r"[−+]?\d+\.\d+ (?:± \d+\.\d+|\[[^\]]*\d\.\d+\])", words)
    reports = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "reports").rglob("*.md"))
    assert len(cited) >= 10
    assert [figure for figure in cited if figure not in reports] == []


def test_the_zoo_table_is_that_of_the_golden_figures() -> None:
    golden, report = read_golden(), (REPOSITORY / "reports" / "zoo.md").read_text()
    assert "(reports/zoo.md)" in README
    for row in as_markdown(zoo_table(MODELS, golden, golden)).splitlines():
        assert row in report


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (REPOSITORY / target).exists(), target
