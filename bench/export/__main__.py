"""`python -m bench.export RUN`: write a finished run's network so that it loads without this package."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.export.registry import FORMATS
from bench.util.cli import OK, make_parser, run_command
from bench.util.errors import BadInput
from bench.util.extras import EVALUATE, require

SUMMARY = """\
Write the network of a finished run, with the evaluated weights, so that it loads without this package, and print the
lines that load it.

formats:
"""
EXAMPLE = "python -m bench.export runs/deck/resnet_20-6e2f9c1a-s0 --format onnx --out resnet_20.onnx"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    listed = "\n".join(f"  {name:<12} {row.summary}" for name, row in FORMATS.items())
    parser = make_parser("bench.export", SUMMARY + listed, EXAMPLE)
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's directory")
    parser.add_argument("--format", choices=FORMATS, default="torchscript", help="default: torchscript")
    parser.add_argument("--out", type=Path, metavar="PATH", help="default: export/ below the run, named by the model")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="weights of another moment of the same run")
    parser.add_argument("--data-root", type=Path, metavar="DIR", help="folder of data sets (default: the run's)")
    return parser


def main(words: Sequence[str]) -> int:
    """Write the network and print the lines that load it; raise BadInput for a run or a place that cannot be used."""
    options = build_parser().parse_args(words)
    chosen = FORMATS[options.format]
    for module in chosen.needs:
        require(module, EVALUATE, f"--format {options.format}")
    # Imported here: --help needs no torch.
    from bench.engines.fast_import import import_composer

    import_composer()
    from bench.evaluate.trained import load_trained
    from bench.export.network import plain_network

    trained = load_trained(options.run, options.checkpoint, None, options.data_root)
    name = trained.spec.model.name.replace("/", "_")
    path = (options.out or trained.record.path / "export" / f"{name}{chosen.suffix}").absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        said = chosen.write(trained, plain_network(trained), path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror or error}") from None
    print(*([said.checked] if said.checked else []), path, "", *said.lines, sep="\n")
    return OK


if __name__ == "__main__":
    sys.exit(run_command(main))
