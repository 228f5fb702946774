"""`python -m bench.zoo`: count every model and print the zoo as a table."""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.environment import provenance
from bench.util.cli import FAILED, OK, make_parser, run_command
from bench.util.errors import BadInput
from bench.util.files import write_output
from bench.zoo.counting.golden import GOLDEN_PATH, Golden, read_golden, write_golden
from bench.zoo.models import MODELS, find_model
from bench.zoo.table import CONVENTIONS, as_markdown, as_text, zoo_table

BATCH = 128
REPORT = "zoo.md"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = make_parser(
        "bench.zoo",
        "Build every model, count its cost by two counters, compare with the golden file, and print a table.",
        "python -m bench.zoo resnet_20 convnext_tiny timm/vit_tiny_patch16_224 --time",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="models to show, or timm/<name> (default: all)")
    parser.add_argument("--stem", choices=("imagenet", "cifar"), help="the stem of the timm models named")
    parser.add_argument(
        "--time", action="store_true", help=f"measure forward + backward at batch {BATCH} (minutes on a CPU)"
    )
    parser.add_argument("--md", action="store_true", help="print Markdown")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help=f"write the golden figures as DIR/{REPORT}; nothing is counted"
    )
    parser.add_argument("--update", action="store_true", help="write the counted figures into the golden file")
    return parser


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the parsed command line; raise BadInput for what cannot go together."""
    options = build_parser().parse_args(arguments)
    if options.out and (options.names or options.stem or options.time or options.update):
        raise BadInput("--out: it writes the whole zoo from the golden file; leave names and other options out.")
    if options.update and options.stem:
        raise BadInput("--update: the golden file holds each model with its own stem; leave --stem out.")
    foreign = [name for name in options.names if name not in MODELS]
    if options.update and foreign:
        raise BadInput(f"--update: '{foreign[0]}' is not in MODELS, and the golden file holds those alone.")
    return options


def progress(done: int, of: int, what: str) -> None:
    """Show on standard error how far long work is: one line that rewrites itself on a terminal."""
    end = "\r" if sys.stderr.isatty() else "\n"
    print(f"[{done}/{of}] {what:<60}", end=end, file=sys.stderr, flush=True)


def count(names: Sequence[str], stem: str | None) -> tuple[dict[str, Golden], list[str]]:
    """Return the figures by name, of the models that can be counted, and the operations that some counter missed."""
    from bench.zoo.counting.cost import CountError  # --help and bad input need no torch
    from bench.zoo.counting.measure import count_model

    figures: dict[str, Golden] = {}
    uncounted: set[str] = set()
    for position, name in enumerate(names, start=1):
        progress(position, len(names), f"counting {name}")
        try:
            figures[name], missed = count_model(name, stem)
            uncounted.update(missed)
        except CountError as error:
            print(f"error: {name}: {error}", file=sys.stderr)
    return figures, sorted(uncounted)


def clock(names: Sequence[str], stem: str | None) -> tuple[dict[str, float], str]:
    """Return milliseconds of a forward and backward pass at batch 128 by name, and where they were measured."""
    import torch

    from bench.zoo.build import build_model
    from bench.zoo.counting.measure import describe_device, forward_backward_ms
    from bench.zoo.counting.reference import NUM_CLASSES

    device = "cuda" if torch.cuda.is_available() else "cpu"
    times = {}
    for position, name in enumerate(names, start=1):
        progress(position, len(names), f"timing {name}")
        times[name] = forward_backward_ms(build_model(name, NUM_CLASSES, stem=stem), BATCH, device=device)
    return times, f"ms: forward + backward, batch {BATCH}, float32, {describe_device(device)}."


def differences(figures: Mapping[str, Golden], golden: Mapping[str, Golden]) -> list[str]:
    """Return a line for every model of the zoo whose figures are not the golden ones."""
    return [
        f"{name}: counted {counted}, golden {golden.get(name, 'nothing')}"
        for name, counted in figures.items()
        if name in MODELS and golden.get(name) != counted
    ]


def update(figures: Mapping[str, Golden]) -> None:
    """Write figures into the golden file in the order of MODELS; models that are gone go, the others stay."""
    merged = {**(read_golden(GOLDEN_PATH) if GOLDEN_PATH.exists() else {}), **figures}
    write_golden({name: merged[name] for name in MODELS if name in merged}, GOLDEN_PATH)
    print(f"wrote {GOLDEN_PATH.name}: {len(figures)} models", file=sys.stderr)


def write_report(folder: Path, words: str) -> int:
    """Write the golden figures of the whole zoo as a Markdown file into a folder."""
    golden = read_golden(GOLDEN_PATH)
    lines = [f"<!-- {provenance(f'python -m bench.zoo {words}')} -->", "## The zoo", "", CONVENTIONS, ""]
    shown = {name: golden[name] for name in MODELS if name in golden}
    text = "\n".join([*lines, as_markdown(zoo_table(MODELS, shown, golden))]) + "\n"
    write_output(folder / REPORT, text)
    print(folder / REPORT)
    return OK


def main(arguments: Sequence[str]) -> int:
    """Print the zoo; return 1 when what was counted is not what the golden file says."""
    options = parse(arguments)
    if options.out:
        return write_report(options.out, shlex.join(arguments))
    names = list(dict.fromkeys(options.names)) or list(MODELS)
    rows = {name: find_model(name) for name in names}
    figures, uncounted = count(names, options.stem)
    times, where = clock(list(figures), options.stem) if options.time else ({}, "")
    if options.update:
        update(figures)
    golden = read_golden(GOLDEN_PATH)
    table = zoo_table(rows, figures, golden, times)
    print(as_markdown(table) if options.md else as_text(table))
    print("\n" + " ".join(part for part in (CONVENTIONS, where) if part))
    if not options.md:
        print(f"Given no cost by one counter or both: {', '.join(uncounted)}.")
    drift = [] if options.stem else differences(figures, golden)
    for line in drift:
        print(f"differs from {GOLDEN_PATH.name} (if that is meant: --update): {line}", file=sys.stderr)
    return FAILED if drift or len(figures) < len(names) else OK


if __name__ == "__main__":
    sys.exit(run_command(main))
