"""What every command line of the suite shares: help style, subcommands, exit codes (0 ok, 1 failed, 2 bad input)."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from bench.util.errors import BadInput, unknown

OK, FAILED, BAD_INPUT = 0, 1, 2
HELP = ("-h", "--help")


@dataclass(frozen=True)
class Command:
    """A subcommand: the module whose `main(words)` runs it, and a summary.

    The module's `build_parser()` returns its parser; one that needs torch at import names another place for it in
    `parser`, as "module:function", so that help and completion start at once. A module that has `COMMANDS` itself is a
    group of subcommands, of which `DEFAULT`, if there is one, runs where none is named.
    """

    module: str
    summary: str
    parser: str = ""

    def build_parser(self) -> argparse.ArgumentParser:
        """Return the parser of its words."""
        module, _, function = (self.parser or f"{self.module}:build_parser").partition(":")
        return getattr(import_module(module), function)()

    def run(self, words: Sequence[str]) -> int:
        """Run it and return the exit code."""
        if self.parser and any(word in HELP for word in words):
            self.build_parser().print_help()
            return OK
        return import_module(self.module).main(words)


def make_parser(command: str, summary: str, example: str) -> argparse.ArgumentParser:
    """Return a parser whose --help shows the summary and a worked example."""
    return argparse.ArgumentParser(
        prog=f"python -m {command}",
        description=summary,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


@dataclass(frozen=True)
class Group:
    """The subcommands of a command of which one must be named; `kind` is what messages call one of them."""

    command: str
    summary: str
    example: str
    kind: str
    commands: Mapping[str, Command]

    def build_parser(self) -> argparse.ArgumentParser:
        """Return the parser whose --help lists the subcommands."""
        width = max(map(len, self.commands))
        listed = "\n".join(f"  {name:<{width}}  {item.summary}" for name, item in self.commands.items())
        parser = make_parser(self.command, f"{self.summary}\n\n{listed}\n\nEach has its own --help.", self.example)
        parser.usage = f"{parser.prog} COMMAND …"
        return parser

    def main(self, words: Sequence[str]) -> int:
        """Run the subcommand that the first word names; raise BadInput where it names none."""
        if words and words[0] in self.commands:
            return self.commands[words[0]].run(words[1:])
        if words and words[0] not in HELP:
            raise unknown(self.kind, words[0], self.commands)
        self.build_parser().print_help()
        if not words:
            raise BadInput(f"name a {self.kind}: {', '.join(self.commands)}")
        return OK


def run_default(commands: Mapping[str, Command], default: str, words: Sequence[str]) -> int:
    """Run the subcommand that the first word names, with all words the default one where it names none."""
    if words and words[0] in commands:
        return commands[words[0]].run(words[1:])
    return commands[default].run(words)


def run_command(main: Callable[[Sequence[str]], int], arguments: Sequence[str] | None = None) -> int:
    """Run a command's main function and turn BadInput into a message and exit code 2."""
    try:
        return main(sys.argv[1:] if arguments is None else arguments)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:
        sys.stderr.close()
        return OK
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return FAILED
