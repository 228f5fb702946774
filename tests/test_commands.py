"""`bench COMMAND`: every command answers --help with an example at once, and a shell completes them all."""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import pytest

from bench import launch
from bench.__main__ import COMMANDS, main
from bench.completion import command_tree
from bench.util.cli import Command, run_command
from tests.conftest import REPOSITORY


def walk(commands: Mapping[str, Command], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    """Yield each command and subcommand with the words that name it."""
    for name, command in commands.items():
        yield (*above, name), command
        if not command.parser:
            yield from walk(getattr(import_module(command.module), "COMMANDS", {}), (*above, name))


EVERY = dict(walk(COMMANDS))


def test_it_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    listed = {line.split()[2].removeprefix("bench.") for line in capsys.readouterr().out.splitlines() if "-m" in line}
    assert listed == set(COMMANDS)
    assert {("speed", "augment"), ("sweep", "status"), ("data", "show")} <= set(EVERY)


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_each_command_answers_help_with_an_example(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = run_command(main, [*words, "--help"])
    except SystemExit as end:  # argparse's own --help
        code = int(end.code or 0)
    assert code == 0
    assert "bench" in capsys.readouterr().out.partition("example:")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_also_a_module(name: str) -> None:
    words = [sys.executable, "-m", f"bench.{name}", "--help"]
    shown = subprocess.run(words, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    assert shown.startswith("usage: ")
    assert "example" in shown


def test_help_and_completion_of_every_command_start_without_torch() -> None:
    code = (
        "import sys\n"
        "from bench.__main__ import main\n"
        "from tests.test_commands import EVERY\n"
        "for words in [[*words, '--help'] for words in EVERY] + [['completion', 'bash']]:\n"
        "    try:\n"
        "        main(words)\n"
        "    except SystemExit as end:\n"
        "        assert not end.code, words\n"
        "    assert not {'torch', 'composer'} & set(sys.modules), words\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tabels"], "Did you mean 'tables'?"),
        (["engines"], "unknown command"),
        (["speed", "augmnt"], "Did you mean 'augment'?"),
        (["speed"], "name a measurement"),
        (["tables", "no_such_name"], "unknown table"),
        (["data", "shapes10"], "Did you mean 'shapes100'?"),
    ],
)
def test_bad_input_exits_with_two(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(main, words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_completion_script_is_valid_and_knows_the_commands(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = tmp_path / f"bench.{shell}"
    script.write_text(capsys.readouterr().out)
    for word in ("augment", "--retry-failed", "--what", "--nproc", "completion"):
        assert word in script.read_text()
    if shutil.which(shell):
        subprocess.run([shell, "-n", str(script)], check=True)


def test_bash_completes_commands_and_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ask the script in a real bash, as readline does."""
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "bench.bash"
    script.write_text(capsys.readouterr().out)

    def completed(*words: str) -> set[str]:
        """Return what the last of some words is completed to."""
        line = " ".join(f"'{word}'" for word in words)
        ask = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _shtab_bench; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        command = ["bash", "-c", f"complete() {{ :; }}; compopt() {{ :; }}; source {script}; {ask}"]
        return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())

    assert completed("bench", "ta") == {"tables"}
    assert completed("bench", "speed", "") >= {"augment", "step", "scaling", "depthwise", "report"}
    assert completed("bench", "sweep", "--retry") == {"--retry-failed"}
    assert completed("bench", "tables", "--form") == {"--format"}


def test_the_tree_has_a_branch_for_every_command() -> None:
    def branches(parser: argparse.ArgumentParser, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, child in action.choices.items():
                    yield (*above, name)
                    yield from branches(child, (*above, name))

    assert set(branches(command_tree(COMMANDS))) == set(EVERY)


def test_train_hands_the_launcher_its_own_options_and_the_script_the_rest() -> None:
    words = ["seed=3", "-n", "2", "-f", "a.yaml", "--master_port=29500", "--arm", "x", "batch_size=64"]
    launched = launch.launcher_command(words)
    script = launched.index(str(launch.SCRIPT))
    assert launched[:script] == ["composer", "--nproc", "2", "--master_port", "29500"]
    assert launched[script + 1 :] == ["seed=3", "-f", "a.yaml", "--arm", "x", "batch_size=64"]


def test_train_starts_the_script_under_the_launcher() -> None:
    """Two processes read the declaration, and the launcher ends with their exit code."""
    command = [sys.executable, "-m", "bench", "train", "-n", "2", "-f", "yamls/no_such.yaml"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "yamls/no_such.yaml: there is no such file" in done.stdout + done.stderr


def test_train_refuses_before_it_starts_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "run", lambda: pytest.fail("started"))
    with pytest.raises(SystemExit) as end:
        main(["train", "-n", "two", "-f", "yamls/resnet_20.yaml"])
    assert end.value.code == 2
