"""`python -m bench.evaluate RUN…`: evaluate the networks of finished runs without training them."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.analysis.metrics import METRICS
from bench.evaluate.registry import EVALUATORS
from bench.records import find_run
from bench.util.cli import OK, make_parser, run_command
from bench.util.errors import BadInput, check_known
from bench.util.extras import EVALUATE, require

if TYPE_CHECKING:
    from bench.evaluate.trained import Trained

SUMMARY = """\
Evaluate the networks of finished runs again, with the weights of the headline or of a checkpoint, without training.
On the machine that trained a run its headline comes out to the digit. What is measured is kept below the run's
directory: evaluation/accuracy.json, and one file for each kind of evaluation. The same weights are not measured twice.

evaluations:
"""
EXAMPLE = "python -m bench.evaluate runs/deck/resnet_20-6e2f9c1a-s* --what calibration per_class"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    listed = "\n".join(f"  {name:<12}  {evaluator.summary}" for name, evaluator in EVALUATORS.items())
    parser = make_parser("bench.evaluate", SUMMARY + listed, EXAMPLE)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="the directories of runs")
    parser.add_argument("--what", nargs="+", default=[], metavar="NAME", help="evaluations beside the accuracy")
    parser.add_argument("--all", action="store_true", help="all images, where an evaluation takes some by default")
    parser.add_argument("--images", type=int, nargs="+", metavar="ROW", help="the images that --what attention shows")
    parser.add_argument("--again", action="store_true", help="measure again what was kept")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="weights of another moment of the same run")
    parser.add_argument("--split", choices=("test", "train"), help="which images (default: what the run evaluates)")
    parser.add_argument("--data-root", type=Path, metavar="DIR", help="folder of data sets (default: the run's)")
    return parser


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Return the arguments, each name once; raise BadInput for an unknown evaluation."""
    options = build_parser().parse_args(words)
    options.what = list(dict.fromkeys(options.what))
    for name in options.what:
        check_known("evaluation", name, EVALUATORS)
        for module in EVALUATORS[name].needs:
            require(module, EVALUATE, f"--what {name}")
    if options.images and not any(EVALUATORS[name].draws for name in options.what):
        drawn = ", ".join(name for name, evaluator in EVALUATORS.items() if evaluator.draws)
        raise BadInput(f"--images names what is drawn, and nothing of --what is; allowed with it: {drawn}")
    return options


def main(words: Sequence[str]) -> int:
    """Evaluate each run, then all of them together where an evaluation asks for that; print and keep the results."""
    options = parse(words)
    # Imported here: --help needs no torch.
    from bench.engines.fast_import import import_composer

    import_composer()
    from bench.evaluate.results import measure_together

    for run in options.runs:
        find_run(run)
    together = [name for name in options.what if EVALUATORS[name].together]
    evaluated = [evaluate(run, options) for run in options.runs]
    for name in together:
        print("", *measure_together(name, evaluated, again=options.again), sep="\n", flush=True)
    return OK


def evaluate(run: Path, options: argparse.Namespace) -> "Trained":
    """Print and keep what is asked for of one run alone, and return its network."""
    from bench.evaluate.results import Results
    from bench.evaluate.trained import load_trained

    trained = load_trained(run, options.checkpoint, options.split, options.data_root)
    results = Results(trained, again=options.again, all_images=options.all, named=options.images)
    print("\n".join(headline(trained, results.accuracy)), flush=True)
    for name in options.what:
        if not EVALUATORS[name].together:
            print("", *EVALUATORS[name].show(results.get(name)), sep="\n", flush=True)
    for path in results.written:
        print(path, flush=True)
    return trained


def headline(trained: "Trained", accuracy: Mapping[str, Any]) -> list[str]:
    """Return what was evaluated and what came out, beside what the run recorded of the same weights and images."""
    found = trained.checkpoint
    where = f"{trained.dataset.name} {trained.split}, {trained.precision} on {trained.device.type}"
    lines = [f"{trained.record.run_id}: {'final weights' if found.final else found.path.name}, {where}"]
    lines.append(f"{words(accuracy)}, {accuracy['samples']:,} images")
    recorded = trained.record.result
    if found.final and recorded and trained.split == trained.spec.data.split:
        lines.append(compare(accuracy, recorded))
    return lines


def compare(accuracy: Mapping[str, Any], recorded: Mapping[str, Any]) -> str:
    """Return whether the headline came out to the digit, and if not what the run recorded."""
    if all(accuracy[name] == recorded[name] for name in METRICS if name in recorded):
        return "the same as the run recorded, to the last digit"
    where = (recorded.get("machine") or {}).get("device_name") or "an unknown machine"
    return f"the run recorded on {where}: {words(recorded)}"


def words(accuracy: Mapping[str, Any]) -> str:
    """Return the metrics in words, those that tables leave out last; without a unit they get all digits that count."""
    shown = sorted((name for name in METRICS if name in accuracy), key=lambda name: not METRICS[name].in_tables)
    return ", ".join(METRICS[name].say(accuracy[name], None if METRICS[name].unit else 6) for name in shown)


if __name__ == "__main__":
    sys.exit(run_command(main))
