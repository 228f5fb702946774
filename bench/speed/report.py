"""Write `reports/speed.md` from all kept measurements, one section for each kind of machine.

    python -m bench.speed report --out reports/speed.md

`reports/speed/<kind>/<name>.json` are the numbers that a measurement's `--save NAME` has kept. `notes.md` there, and in
a kind's folder, go first.
"""

import argparse
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.environment import provenance, say_commit
from bench.speed.augment_table import augment_table
from bench.speed.depthwise_table import depthwise_table
from bench.speed.engines_table import engines_table
from bench.speed.kinds import KEPT, folder_name, kind_of
from bench.speed.scaling_table import scaling_table
from bench.speed.step_table import step_table
from bench.util.cli import OK, make_parser
from bench.util.errors import BadInput, unknown
from bench.util.files import write_output

Numbers = Mapping[str, Any]
# Measurement → the Markdown made from its numbers, in the order of the report.
TABLES: dict[str, Callable[[Numbers], str]] = {
    "step": step_table,
    "depthwise": depthwise_table,
    "scaling": scaling_table,
    "engines": engines_table,
    "augment": lambda numbers: f"```text\n{augment_table(numbers)}\n```",
}
NOTES = "notes.md"
EXAMPLE = "python -m bench.speed report --out reports/speed.md"


def read_numbers(path: Path) -> Numbers:
    """Return the numbers of a measurement; raise BadInput if invalid or of another kind of machine."""
    try:
        numbers = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read: {error}") from None
    if not isinstance(numbers, Mapping) or numbers.get("measurement") not in TABLES:
        name = numbers.get("measurement") if isinstance(numbers, Mapping) else None
        raise unknown(f"measurement in {path}", str(name), TABLES)
    folder = folder_name(kind_of(numbers["environment"]))
    if "extension" in numbers["environment"] and path.parent.name != folder:
        raise BadInput(f"{path}: it was measured on another kind of machine and belongs in the folder '{folder}'")
    return numbers


def section(path: Path, numbers: Numbers) -> str:
    """Return one file of numbers as a section: its title, the command and the commit that made it, and its table."""
    commit = say_commit(numbers["environment"]["git"])
    title = path.stem.replace("_", " ").capitalize()
    return f"### {title}\n\n`{numbers['command']}` ({commit})\n\n{TABLES[numbers['measurement']](numbers)}\n"


def notes(folder: Path) -> list[str]:
    """Return a folder's notes, if it has any."""
    path = folder / NOTES
    return [path.read_text(encoding="utf-8").rstrip() + "\n"] if path.is_file() else []


def kind_section(folder: Path) -> list[str]:
    """Return the parts of a kind's section: its name, its notes, and a section for each of its measurements."""
    found = [(path, read_numbers(path)) for path in sorted(folder.glob("*.json"))]
    found.sort(key=lambda item: list(TABLES).index(item[1]["measurement"]))
    kind = max((kind_of(numbers["environment"]) for _, numbers in found), key=len)
    return [f"## {kind}\n", *notes(folder), *(section(*item) for item in found)]


def speed_report(root: Path) -> str:
    """Return the report on all kinds of machine that have a folder of numbers; raise BadInput if there is none."""
    folders = sorted({path.parent for path in root.glob("*/*.json")})
    if not folders:
        raise BadInput(f"{root}: there are no measurements (<kind>/<name>.json); make one with --save NAME")
    return "\n".join(["# Speed\n", *notes(root), *(part for folder in folders for part in kind_section(folder))])


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser("bench.speed report", "Report all kept measurements, by kind of machine.", EXAMPLE)
    parser.add_argument("folder", nargs="?", type=Path, default=KEPT, help="where they are kept (reports/speed)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it (default: print)")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Write or print the report on all kept measurements."""
    options = build_parser().parse_args(arguments)
    command = shlex.join(["python", "-m", "bench.speed", "report", *arguments])
    text = f"<!-- {provenance(command)} -->\n{speed_report(options.folder)}"
    if options.out:
        write_output(options.out, text)
        print(options.out)
    else:
        print(text)
    return OK
