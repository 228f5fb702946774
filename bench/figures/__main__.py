"""`python -m bench.figures`: draw figures of run records as PNG and SVG files."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.analysis.sources import add_arguments, load_source
from bench.environment import provenance
from bench.figures import style
from bench.figures.registry import FIGURES, all_figures
from bench.util.cli import OK, make_parser, run_command
from bench.util.errors import check_known
from bench.util.files import writing

EXAMPLE = "python -m bench.figures accuracy_comparison training_curves --runs runs --out figures"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser("bench.figures", "Draw figures of run records. Figures: " + ", ".join(FIGURES) + ".", EXAMPLE)
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures to draw (default: all)")
    add_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path("figures"), metavar="DIR", help="default: figures")
    return parser


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; raise BadInput for an unknown figure."""
    arguments = build_parser().parse_args(words)
    for name in arguments.names:
        check_known("figure", name, FIGURES)
    return arguments


def main(words: Sequence[str]) -> int:
    """Draw the figures, write them, and print their paths."""
    arguments = parse(words)
    source, figures = load_source(arguments), all_figures(arguments.ablations)
    origin = provenance(f"python -m bench.figures {shlex.join(words)}", source.runs)
    with writing(f"--out {arguments.out}:"), style.styled():
        arguments.out.mkdir(parents=True, exist_ok=True)
        for name in arguments.names or FIGURES:
            for file, figure in figures[name](source.run_groups):
                print(*style.save(figure, arguments.out, file, origin), sep="\n")
    for note in source.notes():
        print(note.english(), file=sys.stderr)
    return OK


if __name__ == "__main__":
    sys.exit(run_command(main))
