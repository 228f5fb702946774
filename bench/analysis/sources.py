"""Where the records come from: a runs folder, or a project of Weights & Biases; and what of them may be in a table."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.analysis.ablations import ABLATIONS
from bench.analysis.cells import Phrase, joined
from bench.analysis.run_groups import RunGroup, group_runs
from bench.records import RunRecord, read_noise_floor, read_runs
from bench.util.errors import BadInput, check_known

MAX_NAMED = 20
# A quantity of a noise floor → how a table says by how much it differed.
QUANTITIES = {
    "seconds.train": "{} in train time",
    "seconds.total": "{} in total time",
    "images_per_second": "{} in images/s",
}
START = "train one first, for example: composer bench/train.py -f yamls/resnet_20.yaml"


@dataclass(frozen=True)
class Source:
    """The run groups that tables and figures show, and the runs that they leave out."""

    run_groups: Sequence[RunGroup]
    runs: int
    unfinished: Sequence[str] = ()
    miscounted: Sequence[str] = ()
    repeated: Sequence[str] = ()
    # The noise floors of the experiments whose runs are shown, in words.
    noise: tuple[Phrase, ...] = ()

    def notes(self) -> tuple[Phrase, ...]:
        """Return the lines below each table that name the runs which are not in it."""
        left_out = {
            "Unfinished, not in the table ({}): {}": self.unfinished,
            "Left out, evaluated on another number of images than the split has ({}): {}": self.miscounted,
            "Left out, the same recipe and seed as another run ({}): {}": self.repeated,
        }
        return tuple(Phrase(text, (len(ids), name_some(ids))) for text, ids in left_out.items() if ids)


def name_some(ids: Sequence[str]) -> str:
    """Return the first ids of a list, and how many more there are."""
    more = f", … (+{len(ids) - MAX_NAMED})" if len(ids) > MAX_NAMED else ""
    return ", ".join(ids[:MAX_NAMED]) + more


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that name the records to a command's parser."""
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="runs folder (default: runs)")
    parser.add_argument(
        "--experiment", action="append", metavar="NAME", help="only the runs of one experiment (repeat it for several)"
    )
    parser.add_argument(
        "--ablations", type=Path, default=ABLATIONS, metavar="DIR", help="files of ablations (default: yamls/ablations)"
    )
    parser.add_argument("--wandb", metavar="ENTITY/PROJECT", help="read a Weights & Biases project instead of a folder")


def load_source(arguments: argparse.Namespace) -> Source:
    """Return what the flags name; raise BadInput for a missing folder or one without finished runs."""
    return choose_source(read_records(arguments), arguments)


def read_records(arguments: argparse.Namespace) -> list[RunRecord]:
    """Return the records that the flags name, of all experiments; raise BadInput where they cannot be read."""
    if arguments.wandb:
        from bench.analysis.wandb_source import read_project  # imported here: it needs wandb and a network

        return read_project(arguments.wandb)
    return read_runs(arguments.runs)


def choose_source(records: Sequence[RunRecord], arguments: argparse.Namespace) -> Source:
    """Return what the flags choose from records; raise BadInput where none has finished."""
    return make_source(records, arguments.wandb or str(arguments.runs), arguments.experiment)


def make_source(records: Sequence[RunRecord], where: str, experiments: Sequence[str] | None = None) -> Source:
    """Return the records as run groups and what is left out; raise BadInput when nothing remains to be shown.

    `experiments` are those whose runs are shown, all for None. Runs of one recipe make one row, wherever they are.
    """
    if not records:
        raise BadInput(f"{where}: no runs found; {START}")
    known = {record.path.parent.name for record in records}
    for name in experiments or ():
        check_known("experiment", name, known)
    chosen = [record for record in records if experiments is None or record.path.parent.name in experiments]
    finished = [record for record in chosen if record.finished]
    if not finished:
        raise BadInput(f"{where}: none of its {len(chosen)} runs has finished; start one again to resume it")
    exact = [record for record in finished if counts_agree(record)]
    run_groups, repeated = group_runs(exact)
    return Source(
        run_groups,
        runs=len(exact) - len(repeated),
        unfinished=[describe_unfinished(record) for record in chosen if not record.finished],
        miscounted=[record.run_id for record in finished if not counts_agree(record)],
        repeated=repeated,
        noise=noise_floors(exact),
    )


def noise_floors(records: Sequence[RunRecord]) -> tuple[Phrase, ...]:
    """Return a line for each experiment that holds the noise of its times: the same run trained twice."""
    folders = dict.fromkeys(record.path.parent for record in records if record.local)
    found = ((folder, read_noise_floor(folder)) for folder in folders)
    return tuple(noise_line(folder.name, content) for folder, content in found if content is not None)


def noise_line(experiment: str, content: Mapping[str, Any]) -> Phrase:
    """Return a noise floor in words; raise BadInput when it holds no relative differences."""
    differences = content.get("relative_difference")
    if not isinstance(differences, Mapping) or not all(isinstance(v, float | int) for v in differences.values()):
        raise BadInput(f"{experiment}/noise_floor.json: key 'relative_difference': must map quantities to numbers")
    parts = tuple(
        Phrase(QUANTITIES[key], (f"{100 * value:.1f} %",)) for key, value in differences.items() if key in QUANTITIES
    )
    return Phrase("Noise floor of times: one run trained twice differed by {} ({})", (joined(parts), experiment))


def counts_agree(record: RunRecord) -> bool:
    """Tell whether a run was evaluated on exactly the images of its split, where its size was recorded."""
    result = record.result or {}
    expected = (result.get("data") or {}).get("eval_samples")
    return expected is None or result.get("evaluated_samples") == expected


def describe_unfinished(record: RunRecord) -> str:
    """Return the id of a run without a final result, and why it has none where the run tells."""
    if record.result is not None:
        return f"{record.run_id} [{record.result.get('status')}]"
    return f"{record.run_id} [failed: {record.failure.get('reason')}]" if record.failure else record.run_id
