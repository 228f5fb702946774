"""Write `reports/speed.md` from the numbers of measurements: `python -m bench.speed report reports/speed/*.json`."""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.environment import provenance, say_commit
from bench.speed import augment
from bench.speed.depthwise import depthwise_table
from bench.speed.scaling import scaling_table
from bench.speed.step_table import step_table
from bench.util.cli import OK, make_parser
from bench.util.errors import BadInput, unknown

Numbers = Mapping[str, Any]
# Measurement → the Markdown made from its numbers.
TABLES: dict[str, Callable[[Numbers], str]] = {
    "augment": lambda numbers: f"```text\n{augment.report(dict(numbers))}\n```",
    "step": step_table,
    "scaling": scaling_table,
    "depthwise": depthwise_table,
}
EXAMPLE = "python -m bench.speed report reports/speed/*.json --out reports/speed.md"


def read_numbers(path: Path) -> Numbers:
    """Return the numbers of a measurement; raise BadInput that names the file when they are none."""
    try:
        numbers = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read: {error}") from None
    if not isinstance(numbers, Mapping) or numbers.get("measurement") not in TABLES:
        name = numbers.get("measurement") if isinstance(numbers, Mapping) else None
        raise unknown(f"measurement in {path}", str(name), TABLES)
    return numbers


def section(path: Path) -> str:
    """Return one file of numbers as a section: its title, the command and the commit that made it, and its table."""
    numbers = read_numbers(path)
    commit = say_commit(numbers["environment"]["git"])
    title = path.stem.replace("_", " ").capitalize()
    return f"## {title}\n\n`{numbers['command']}` ({commit})\n\n{TABLES[numbers['measurement']](numbers)}\n"


def main(arguments: Sequence[str]) -> int:
    """Write or print the report of the named files, in their order."""
    parser = make_parser("bench.speed report", "Make a report from the numbers of measurements.", EXAMPLE)
    parser.add_argument("files", nargs="+", type=Path, metavar="JSON", help="what --json wrote")
    parser.add_argument("--notes", type=Path, metavar="MD", help="words to put first")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it (default: print)")
    options = parser.parse_args(arguments)
    notes = [options.notes.read_text(encoding="utf-8").rstrip() + "\n"] if options.notes else []
    head = f"<!-- {provenance('python -m bench.speed report ' + shlex.join(arguments))} -->\n# Speed\n"
    text = "\n".join([head, *notes, *(section(path) for path in options.files)])
    if options.out:
        options.out.write_text(text, encoding="utf-8")
        print(options.out)
    else:
        print(text)
    return OK
