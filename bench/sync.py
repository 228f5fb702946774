"""`python -m bench.sync`: upload the offline W&B runs of a runs folder, and say what was and was not uploaded.

Each attempt of a run leaves an offline folder, of which the newest one holds every row. `wandb sync` uploads that under
the run's one id, so whatever was uploaded before is replaced. What W&B has is asked of W&B afterwards, and what was
evaluated since the run's end is added to its summary: so tables are the same from here and from there.
"""

import argparse
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.analysis.wandb_ids import EVALUATIONS, run_id
from bench.records import EVALUATION, WANDB, RunRecord, read_runs
from bench.util.cli import FAILED, OK, make_parser, run_command
from bench.util.errors import BadInput, first_line, unknown
from bench.util.wandb_account import check_account, check_entity

ASKED, OTHERWISE = "bench.sync needs a W&B account", "nothing is lost: the runs stay in their folder"
# wandb itself would try for hours.
TIMEOUT_SECONDS = 600
# What wandb calls a file that has been uploaded.
MARK = ".synced"
UPLOADED, BEFORE, NONE, LOST = "uploaded", "uploaded before", "no offline W&B run", "not uploaded"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    summary = "Upload the offline W&B runs of a runs folder; once more, and only what is new is uploaded."
    parser = make_parser("bench.sync", summary, "python -m bench.sync --runs runs --experiment deck")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="runs folder (default: runs)")
    parser.add_argument("--experiment", metavar="NAME", help="only the runs of one experiment")
    parser.add_argument("--entity", metavar="E", help="user or team (default: what the run declares, then your own)")
    parser.add_argument("--project", metavar="P", help="project (default: what the run declares)")
    return parser


def main(words: Sequence[str]) -> int:
    """Upload what was not uploaded before, and return 1 where W&B does not have a run now.

    Raises BadInput without login, network or entity.
    """
    arguments = build_parser().parse_args(words)
    records = choose_runs(read_runs(arguments.runs), arguments.experiment)
    files = {record.run_id: newest_file(record.path) for record in records}
    before = {record.run_id: state_before(record, files[record.run_id]) for record in records}
    wanted = [record for record in records if before[record.run_id] == LOST]
    targets = find_targets(wanted, arguments.entity, arguments.project) if wanted else {}
    states: Counter[str] = Counter()
    for record in records:
        state, why = before[record.run_id], ""
        if record.run_id in targets:
            state, why = send(record, files[record.run_id], targets[record.run_id])
        states[state] += 1
        print(f"{record.run_id}: {state}{f': {why}' if why else ''}", flush=True)
    print("; ".join(f"{state}: {states[state]}" for state in (UPLOADED, BEFORE, NONE, LOST) if states[state]))
    return FAILED if states[LOST] else OK


def choose_runs(records: Sequence[RunRecord], experiment: str | None) -> list[RunRecord]:
    """Return the runs of an experiment, or all; raise BadInput for one that is not there, and where there are none."""
    if not records:
        raise BadInput("no runs found: name their folder with --runs")
    chosen = [record for record in records if experiment in (None, record.path.parent.name)]
    if not chosen:
        raise unknown("experiment", str(experiment), {record.path.parent.name for record in records})
    return chosen


def newest_file(run: Path) -> Path | None:
    """Return what W&B's newest offline attempt at a run has written, None where there is none."""
    return max(run.glob(f"{WANDB}/offline-run-*/run-*.wandb"), default=None, key=lambda path: path.parent.name)


def state_before(record: RunRecord, file: Path | None) -> str:
    """Return the state of a run's offline file before anything is uploaded; what was evaluated since counts as new."""
    if file is None:
        return NONE
    mark, evaluated = mark_of(file), (record.path / EVALUATION).glob("*.json")
    if not mark.exists() or any(path.stat().st_mtime > mark.stat().st_mtime for path in evaluated):
        return LOST
    return BEFORE


def mark_of(file: Path) -> Path:
    """Return the file beside an offline file that says it has been uploaded whole, as `wandb sync` names it."""
    return file.with_name(f"{file.name}{MARK}")


def find_targets(records: Sequence[RunRecord], entity: str | None, project: str | None) -> dict[str, str]:
    """Return run id → entity/project that it goes to; raise BadInput without login, network, or one of the entities."""
    own = check_account(ASKED, OTHERWISE)
    targets = {}
    for record in records:
        declared = record.spec.get("wandb") or {}
        owner = entity or declared.get("entity") or own
        targets[record.run_id] = f"{owner}/{project or declared.get('project')}"
    for name in dict.fromkeys(target.partition("/")[0] for target in targets.values()):
        check_entity("bench.sync", OTHERWISE, name)
    return targets


def send(record: RunRecord, file: Path | None, target: str) -> tuple[str, str]:
    """Upload a run's offline file; return its state now, with where it is or why it is not there."""
    assert file is not None, "only runs with a file are sent"
    try:
        done = call_wandb(file.parent, target)
    except subprocess.TimeoutExpired:
        return LOST, f"wandb sync took over {TIMEOUT_SECONDS} s"
    name = run_id(record.path.parent.name, record.path.name)
    refusal = first_error(done) or complete_online(record, target, name)
    if refusal:
        return LOST, refusal
    if record.finished:
        mark_of(file).touch()
    return UPLOADED, f"{target}/runs/{name}{'' if record.finished else ' (so far: it has not finished)'}"


def call_wandb(folder: Path, target: str) -> subprocess.CompletedProcess[str]:
    """Let `wandb sync` upload one offline folder; it marks even what failed, so that is done here."""
    environment = {**os.environ, "WANDB_SILENT": "false", "WANDB_ERROR_REPORTING": "false", "NO_COLOR": "1"}
    environment.pop("WANDB_MODE", None)
    entity, _, project = target.partition("/")
    words = ["--no-mark-synced", "--entity", entity, "--project", project, str(folder)]
    command = [sys.executable, "-m", "wandb", "sync", *words]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
    )


def first_error(done: subprocess.CompletedProcess[str]) -> str:
    """Return the first line of `wandb sync` that tells of an error, or nothing."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in (done.stderr + done.stdout).splitlines()]
    errors = [line for line in lines if "ERROR" in line or "Error" in line or "Skipping" in line or "skipping" in line]
    if errors:
        return errors[0].removeprefix("wandb: ").strip()
    return f"wandb sync ended with code {done.returncode}" if done.returncode else ""


def complete_online(record: RunRecord, target: str, name: str) -> str:
    """Add to W&B's run what its record was evaluated on, and return why W&B does not have it, or nothing."""
    import wandb

    try:
        run = wandb.Api().run(f"{target}/{name}")
        if record.evaluations:
            run.summary.update({EVALUATIONS: dict(record.evaluations)})
    except (wandb.errors.Error, ValueError, OSError) as error:
        return f"{target} does not have it: {first_line(error)}"
    return ""


if __name__ == "__main__":
    sys.exit(run_command(main))
