"""Print a script that completes the suite's commands in a shell: `bench completion bash`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import shtab

from bench.util.cli import OK, Command, make_parser, run_command

SUMMARY = """Print a script that completes the commands of `bench` in a shell. To use it in every new bash:

  bench completion bash > ~/.local/share/bash-completion/completions/bench

In zsh write it to a file `_bench` in a folder of $fpath."""
FILES = ("YAML", "FILE", "CSV", "PNG")
FOLDERS = ("DIR", "RUN")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser("bench.completion", SUMMARY, "python -m bench completion bash")
    parser.add_argument("shell", choices=("bash", "zsh"), help="the shell that the script is for")
    return parser


def command_tree(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """Return one parser that knows all commands, their subcommands and flags; no torch is imported."""
    tree = argparse.ArgumentParser("bench", add_help=False)
    add_commands(tree, commands, None)
    return tree


def add_commands(parser: argparse.ArgumentParser, commands: Mapping[str, Command], default: str | None) -> None:
    """Add subcommands to a parser, and the flags of the default one, which runs where none is named."""
    if default:
        add_actions(parser, commands[default].build_parser(), flags_only=True)
    else:
        parser.add_argument("-h", "--help", action="help", help="show this help")
    subparsers = parser.add_subparsers()
    for name, command in commands.items():
        child = subparsers.add_parser(name, help=command.summary, add_help=False)
        module: Any = None if command.parser else import_module(command.module)
        if hasattr(module, "COMMANDS"):
            add_commands(child, module.COMMANDS, getattr(module, "DEFAULT", None))
        else:
            add_actions(child, command.build_parser())


def add_actions(parser: argparse.ArgumentParser, source: argparse.ArgumentParser, *, flags_only: bool = False) -> None:
    """Add the arguments of another parser; files and folders are completed as such."""
    for action in source._actions:
        if flags_only and not action.option_strings:
            continue
        kinds = {**dict.fromkeys(FILES, shtab.FILE), **dict.fromkeys(FOLDERS, shtab.DIRECTORY)}
        if action.metavar in kinds:
            action.complete = kinds[action.metavar]  # type: ignore[attr-defined, index]
        parser._add_action(action)


def main(words: Sequence[str]) -> int:
    """Print the script."""
    # Imported here: it lists this command among the others.
    from bench.__main__ import COMMANDS

    options = build_parser().parse_args(words)
    print(shtab.complete(command_tree(COMMANDS), options.shell))
    return OK


if __name__ == "__main__":
    sys.exit(run_command(main))
