"""What every command line of the suite shares: help style and exit codes (0 ok, 1 failed, 2 bad input)."""

import argparse
import sys
from collections.abc import Callable, Sequence

from bench.util.errors import BadInput

OK, FAILED, BAD_INPUT = 0, 1, 2


def make_parser(command: str, summary: str, example: str) -> argparse.ArgumentParser:
    """Return a parser whose --help shows the summary and a worked example."""
    return argparse.ArgumentParser(
        prog=f"python -m {command}",
        description=summary,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


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
