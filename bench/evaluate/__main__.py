"""`python -m bench.evaluate RUN`: evaluate a run's network without training it."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.analysis.metrics import METRICS
from bench.evaluate.registry import EVALUATORS
from bench.util.cli import OK, make_parser, run_command

if TYPE_CHECKING:
    from bench.evaluate.trained import Predictions, Trained

SUMMARY = """\
Evaluate a finished run's network again, with the weights of its headline or of a checkpoint, without training.
On the machine that trained it the headline comes out to the digit. What a run leaves is not changed; --json adds files
below its directory: evaluation/accuracy.json, and one for each kind of evaluation."""
EXAMPLE = "python -m bench.evaluate runs/deck/resnet_20-6e2f9c1a-s0 --per-class --json"
ACCURACY = "accuracy"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; each evaluator has a flag of its own."""
    parser = make_parser("bench.evaluate", SUMMARY, EXAMPLE)
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's directory")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="weights of another moment of the same run")
    parser.add_argument("--split", choices=("test", "train"), help="which images (default: what the run evaluates)")
    parser.add_argument("--data-root", type=Path, metavar="DIR", help="folder of data sets (default: the run's)")
    parser.add_argument("--json", action="store_true", help="keep the results below the run's directory")
    for name, evaluator in EVALUATORS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", action="store_true", dest=name, help=evaluator.summary)
    return parser


def main(words: Sequence[str]) -> int:
    """Evaluate, print, and keep the results if asked to."""
    options = build_parser().parse_args(words)
    # Imported here: --help needs no torch.
    from bench.engines.fast_import import import_composer

    import_composer()
    from bench.evaluate.trained import load_trained, predict

    trained = load_trained(options.run, options.checkpoint, options.split, options.data_root)
    predictions = predict(trained)
    print("\n".join(headline(trained, predictions)), flush=True)
    results: dict[str, Mapping[str, Any]] = {ACCURACY: predictions.accuracy}
    for name, evaluator in EVALUATORS.items():
        if getattr(options, name):
            results[name] = evaluator.measure(trained, predictions)
            print("", *evaluator.show(results[name]), sep="\n", flush=True)
    if options.json:
        keep(trained, results)
    return OK


def headline(trained: "Trained", predictions: "Predictions") -> list[str]:
    """Return what was evaluated and what came out, beside what the run recorded of the same weights and images."""
    found, accuracy = trained.checkpoint, predictions.accuracy
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


def keep(trained: "Trained", results: Mapping[str, Mapping[str, Any]]) -> None:
    """Write each result beside the run, with what was evaluated, and say where."""
    from bench.environment import cpu_model
    from bench.records import write_evaluation

    about = {
        "run": trained.record.run_id,
        "checkpoint": trained.checkpoint.describe(),
        "data": trained.dataset.name,
        "split": trained.split,
        "precision": trained.precision,
        "device": trained.device.type,
        "cpu": cpu_model(),
    }
    default = trained.checkpoint.final and trained.split == trained.spec.data.split
    suffix = "" if default else f"-{trained.checkpoint.path.stem}-{trained.split}"
    for name, result in results.items():
        print(write_evaluation(trained.record.path, f"{name}{suffix}", {"what": name, **about, **result}))


if __name__ == "__main__":
    sys.exit(run_command(main))
